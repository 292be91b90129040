// Values between JavaScript and C.
#pragma once

#include "runtime.h"

namespace holdfast_node {

// The arguments of a call. What is missing is undefined, and a value of a wrong type reads as the given default: the only
// caller is lib/, which has checked what the user gave.
class Arguments {
  public:
    Arguments(napi_env env, napi_callback_info info) : env_(env)
    {
        count_ = most;
        napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr);
    }
    napi_value at(size_t index) const { return values_[index]; }
    bool given(size_t index) const;
    int32_t integer(size_t index, int32_t otherwise = 0) const;
    double number(size_t index, double otherwise = 0) const;
    uint64_t milliseconds(size_t index) const;
    std::string string(size_t index) const;
    // A text in the runtime's buffer, valid until the next call of this.
    holdfast_str text(size_t index, Runtime &runtime) const;

  private:
    static constexpr size_t most = 16;
    napi_env env_;
    size_t count_;
    napi_value values_[most];
};

napi_value undefined(napi_env env);
napi_value null(napi_env env);
napi_value make(napi_env env, holdfast_str text);
napi_value make(napi_env env, const std::string &text);
napi_value make(napi_env env, double number);
napi_value make(napi_env env, int32_t number);
napi_value make_bool(napi_env env, bool value);
// A Buffer with a copy of the bytes.
napi_value copied(napi_env env, holdfast_cell data);

// An object under construction.
class Object {
  public:
    explicit Object(napi_env env) : env_(env) { napi_create_object(env, &object_); }
    Object &set(const char *name, napi_value value)
    {
        napi_set_named_property(env_, object_, name, value);
        return *this;
    }
    Object &set(const char *name, double value) { return set(name, make(env_, value)); }
    Object &set(const char *name, holdfast_str value) { return set(name, make(env_, value)); }
    // Leaves out what is empty.
    Object &some(const char *name, holdfast_str value) { return value.len == 0 ? *this : set(name, value); }
    napi_value value() const { return object_; }

  private:
    napi_env env_;
    napi_value object_;
};

// What lib/errors makes an error of. The error stays with the caller.
napi_value describe(napi_env env, const holdfast_error *error);
// The same, and frees it.
napi_value describe_and_free(napi_env env, holdfast_error *error);
// Of a call with a handle that is none.
napi_value no_such(napi_env env, const char *what);
// What is returned where parameters are not as lib/values/encode.js writes them.
napi_value malformed_params(napi_env env);
// One field of an error or a notice.
using FieldOf = std::function<holdfast_str(int32_t)>;
void set_fields(Object &object, const FieldOf &field);

} // namespace holdfast_node
