#!/usr/bin/env python3
"""Holdfast from a runtime that can call C: Python's ctypes, nothing else to install.

    ./quick_start.py postgresql://app@db/orders        (or with DATABASE_URL set)
"""
import os
import sys
from ctypes import (CDLL, POINTER, Structure, byref, c_char_p, c_int32, c_size_t, c_uint32, c_void_p)


class Str(Structure):  # holdfast_str: belongs to the object it was asked of
    _fields_ = [("ptr", c_char_p), ("len", c_size_t)]

    def __str__(self):
        return self.ptr.decode()


class Param(Structure):  # holdfast_param
    _fields_ = [("value", c_char_p), ("len", c_size_t), ("type_oid", c_uint32), ("format", c_int32)]


NUL = c_size_t(-1).value  # "the text ends at its NUL"
TEXT, STATUS_IS_NULL = 0, 69
Handle = c_void_p

library = CDLL("libholdfast.so")


def declare(name, returns, *takes):
    function = getattr(library, "holdfast_" + name)
    function.restype, function.argtypes = returns, takes
    return function


pool_open_url = declare("pool_open_url", c_int32, c_char_p, c_size_t, POINTER(Handle), POINTER(Handle))
pool_query = declare("pool_query", c_int32, Handle, c_void_p, c_char_p, c_size_t, POINTER(Param), c_size_t, c_int32,
                     POINTER(Handle), POINTER(Handle))
pool_free = declare("pool_free", None, Handle)
result_rows = declare("result_rows", c_size_t, Handle)
result_columns = declare("result_columns", c_size_t, Handle)
result_text = declare("result_text", c_int32, Handle, c_size_t, c_size_t, POINTER(Str), POINTER(Handle))
result_free = declare("result_free", None, Handle)
error_message = declare("error_message", Str, Handle)
error_sqlstate = declare("error_sqlstate", Str, Handle)
error_free = declare("error_free", None, Handle)


class Error(Exception):
    def __init__(self, handle):
        super().__init__(str(error_message(handle)))
        self.sqlstate = str(error_sqlstate(handle))
        error_free(handle)


def call(function, *arguments):
    """Calls what takes where to put an error, and raises that."""
    error = Handle()
    if function(*arguments, byref(error)):
        raise Error(error)


def query(pool, sql, *values):
    """The rows, as tuples of texts, None being NULL. ctypes lets other threads run meanwhile."""
    texts = [None if value is None else str(value).encode() for value in values]
    params = (Param * len(texts))(*(Param(text, len(text or b""), 0, TEXT) for text in texts))
    result, sql = Handle(), sql.encode()
    call(pool_query, pool, None, sql, len(sql), params, len(texts), TEXT, byref(result))
    try:
        return [tuple(cell(result, row, column) for column in range(result_columns(result)))
                for row in range(result_rows(result))]
    finally:
        result_free(result)


def cell(result, row, column):
    text = Str()
    if result_text(result, row, column, byref(text), None) == STATUS_IS_NULL:
        return None
    return str(text)


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else os.environ["DATABASE_URL"]
    pool = Handle()
    call(pool_open_url, url.encode(), NUL, byref(pool))  # opens no connection yet
    try:
        for n, square, odd in query(pool, "select n, n * n, nullif(n, 2) from generate_series(1, $1::int) n", 3):
            print(n, "squared is", square if odd else square + " (even)")
        try:
            query(pool, "select 1 / $1::int", 0)
        except Error as error:
            print("caught", error.sqlstate)
            print(error)
    finally:
        pool_free(pool)


if __name__ == "__main__":
    main()
