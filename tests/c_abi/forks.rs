//! That processes which fork, as preloading servers and Python's `multiprocessing` do, have pools in parent and children.

use std::fs;
use std::process::Command;

use crate::foreign::leave_out;
use crate::support::server;
use crate::tool_exists;
use crate::toolchain::{self, Checked, library};

#[test]
fn a_thousand_forks_in_a_row_lose_nothing() {
    toolchain::run_every_way("forks", &server().url());
}

#[test]
fn workers_of_pythons_multiprocessing_have_pools_of_their_own() {
    if !tool_exists("python3") {
        return leave_out("forks.py", "python3 is not installed");
    }
    let path = toolchain::program("forks.py");
    fs::write(&path, PROGRAM).unwrap();
    let said = Command::new("timeout")
        .args(["--signal=ABRT", "--kill-after=10", "240", "python3"])
        .arg(path)
        .arg(library().join("libholdfast.so"))
        .arg(server().url())
        .env_remove("DATABASE_URL")
        .checked();
    assert!(said.contains("300 answers, all right"), "{said}");
}

/// The parent has a pool that threads of it use at each fork. Its workers refuse that pool, and use their own.
const PROGRAM: &str = r#"
import ctypes
import multiprocessing
import os
import sys
import threading

library, url = sys.argv[1], sys.argv[2].encode()
hf = ctypes.CDLL(library)
OK, MISUSE, FORMAT_TEXT = 0, 18, 0


class Str(ctypes.Structure):
    _fields_ = [("ptr", ctypes.c_void_p), ("len", ctypes.c_size_t)]

    def text(self):
        return ctypes.string_at(self.ptr, self.len).decode()


P, N = ctypes.c_void_p, ctypes.c_size_t
hf.holdfast_pool_open_url.argtypes = [ctypes.c_char_p, N, P, P]
hf.holdfast_pool_query.argtypes = [P, P, ctypes.c_char_p, N, P, N, ctypes.c_int32, P, P]
hf.holdfast_result_text.argtypes = [P, N, N, P, P]
hf.holdfast_result_free.argtypes = hf.holdfast_error_free.argtypes = hf.holdfast_pool_free.argtypes = [P]
hf.holdfast_error_message.argtypes, hf.holdfast_error_message.restype = [P], Str


def said(error):
    text = hf.holdfast_error_message(error).text()
    hf.holdfast_error_free(error)
    return text


def open_pool():
    pool, error = P(), P()
    if hf.holdfast_pool_open_url(url, len(url), ctypes.byref(pool), ctypes.byref(error)) != OK:
        raise RuntimeError(said(error))
    return pool


def ask(pool, sql):
    result, error, value = P(), P(), Str()
    status = hf.holdfast_pool_query(pool, None, sql, len(sql), None, 0, FORMAT_TEXT, ctypes.byref(result), ctypes.byref(error))
    if status != OK:
        return status, said(error)
    assert hf.holdfast_result_text(result, 0, 0, ctypes.byref(value), None) == OK
    text = value.text()
    hf.holdfast_result_free(result)
    return status, text


def begin():
    global own
    own = open_pool()


def work(number):
    status, text = ask(inherited, b"select 1")
    assert status == MISUSE and "fork" in text, (status, text)
    assert ask(own, b"select pg_sleep(0.005)")[0] == OK
    return int(ask(own, b"select %d + 1" % number)[1]), os.getpid()


inherited = open_pool()

stopped, failures = threading.Event(), []


def use_it():
    while not stopped.is_set():
        status, text = ask(inherited, b"select 1")
        if status != OK:
            failures.append(text)
            return


threads = [threading.Thread(target=use_it) for _ in range(2)]
for thread in threads:
    thread.start()
answers, processes = [], set()
context = multiprocessing.get_context("fork")
for tasks_per_worker in (None, 5):
    with context.Pool(4, begin, maxtasksperchild=tasks_per_worker) as workers:
        for answer, process in workers.imap(work, range(150)):
            answers.append(answer)
            processes.add(process)
stopped.set()
for thread in threads:
    thread.join()
assert not failures, failures
assert answers == 2 * list(range(1, 151)), answers
assert len(processes) >= 30 and os.getpid() not in processes, processes
assert ask(inherited, b"select 1")[0] == OK
hf.holdfast_pool_free(inherited)
print(len(answers), "answers, all right")
"#;
