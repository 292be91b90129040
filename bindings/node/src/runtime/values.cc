#include "values.h"

namespace holdfast_node {

bool Arguments::given(size_t index) const
{
    napi_valuetype type = napi_undefined;
    napi_typeof(env_, values_[index], &type);
    return type != napi_undefined && type != napi_null;
}

int32_t Arguments::integer(size_t index, int32_t otherwise) const
{
    int32_t value = otherwise;
    return napi_get_value_int32(env_, values_[index], &value) == napi_ok ? value : otherwise;
}

double Arguments::number(size_t index, double otherwise) const
{
    double value = otherwise;
    return napi_get_value_double(env_, values_[index], &value) == napi_ok ? value : otherwise;
}

uint64_t Arguments::milliseconds(size_t index) const
{
    double value = number(index);
    return value > 0 ? static_cast<uint64_t>(value) : 0;
}

std::string Arguments::string(size_t index) const
{
    size_t length = 0;
    if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok)
        return {};
    std::string text(length + 1, '\0');
    napi_get_value_string_utf8(env_, values_[index], &text[0], length + 1, &length);
    text.resize(length);
    return text;
}

holdfast_str Arguments::text(size_t index, Runtime &runtime) const
{
    std::vector<char> &buffer = runtime.text;
    size_t length = 0;
    if (buffer.size() < 4096)
        buffer.resize(4096);
    if (napi_get_value_string_utf8(env_, values_[index], buffer.data(), buffer.size(), &length) != napi_ok)
        return {"", 0};
    // It may have been cut: a character takes up to four bytes, the terminator one.
    if (length + 5 > buffer.size()) {
        napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length);
        buffer.resize(length + 8);
        napi_get_value_string_utf8(env_, values_[index], buffer.data(), buffer.size(), &length);
    }
    return {buffer.data(), length};
}

napi_value undefined(napi_env env)
{
    napi_value value;
    napi_get_undefined(env, &value);
    return value;
}

napi_value null(napi_env env)
{
    napi_value value;
    napi_get_null(env, &value);
    return value;
}

napi_value make(napi_env env, holdfast_str text)
{
    napi_value value;
    napi_create_string_utf8(env, text.ptr, text.len, &value);
    return value;
}

napi_value make(napi_env env, const std::string &text)
{
    return make(env, holdfast_str{text.data(), text.size()});
}

napi_value make(napi_env env, double number)
{
    napi_value value;
    napi_create_double(env, number, &value);
    return value;
}

napi_value make(napi_env env, int32_t number)
{
    napi_value value;
    napi_create_int32(env, number, &value);
    return value;
}

napi_value copied(napi_env env, holdfast_cell data)
{
    napi_value buffer;
    void *into = nullptr;
    napi_create_buffer_copy(env, data.len, data.ptr, &into, &buffer);
    return buffer;
}

napi_value make_bool(napi_env env, bool value)
{
    napi_value made;
    napi_get_boolean(env, value, &made);
    return made;
}

void set_fields(Object &object, const FieldOf &field)
{
    static const struct {
        const char *name;
        int32_t code;
    } fields[] = {
        {"severity", HOLDFAST_FIELD_SEVERITY},
        {"detail", HOLDFAST_FIELD_DETAIL},
        {"hint", HOLDFAST_FIELD_HINT},
        {"position", HOLDFAST_FIELD_POSITION},
        {"internalPosition", HOLDFAST_FIELD_INTERNAL_POSITION},
        {"internalQuery", HOLDFAST_FIELD_INTERNAL_QUERY},
        {"where", HOLDFAST_FIELD_CONTEXT},
        {"schema", HOLDFAST_FIELD_SCHEMA},
        {"table", HOLDFAST_FIELD_TABLE},
        {"column", HOLDFAST_FIELD_COLUMN},
        {"dataType", HOLDFAST_FIELD_DATA_TYPE},
        {"constraint", HOLDFAST_FIELD_CONSTRAINT},
        {"file", HOLDFAST_FIELD_FILE},
        {"line", HOLDFAST_FIELD_LINE},
        {"routine", HOLDFAST_FIELD_ROUTINE},
    };
    for (const auto &each : fields)
        object.some(each.name, field(each.code));
}

static napi_value describe_attempts(napi_env env, const holdfast_error *error)
{
    napi_value attempts;
    size_t count = holdfast_error_attempt_count(error);
    napi_create_array_with_length(env, count, &attempts);
    for (size_t i = 0; i < count; i++) {
        holdfast_attempt attempt{};
        attempt.struct_size = sizeof attempt;
        if (!holdfast_error_attempt(error, i, &attempt))
            continue;
        Object object(env);
        object.set("kind", holdfast_status_name(attempt.status))
            .set("phase", attempt.phase)
            .some("sqlstate", attempt.sqlstate)
            .set("cause", attempt.cause)
            .set("target", attempt.target)
            .set("tookMillis", attempt.took_us / 1000.0)
            .set("backoffMillis", attempt.backoff_us / 1000.0);
        napi_set_element(env, attempts, static_cast<uint32_t>(i), object.value());
    }
    return attempts;
}

napi_value describe(napi_env env, const holdfast_error *error)
{
    Object object(env);
    object.set("status", static_cast<double>(holdfast_error_status(error)))
        .set("kind", holdfast_error_kind(error))
        .set("phase", holdfast_error_phase(error))
        .set("summary", holdfast_error_message(error))
        .some("sqlstate", holdfast_error_sqlstate(error))
        .some("target", holdfast_error_target(error))
        .set("elapsedMillis", holdfast_error_elapsed_us(error) / 1000.0)
        .set("retryable", make_bool(env, holdfast_error_is_retryable(error)))
        .some("remedy", holdfast_error_remedy(error))
        .set("attempts", describe_attempts(env, error));
    if (int32_t number = holdfast_error_os_error(error))
        object.set("osError", static_cast<double>(number));
    size_t wanted = 0, given = 0;
    if (holdfast_error_parameter_count(error, &wanted, &given))
        object.set("wanted", static_cast<double>(wanted)).set("given", static_cast<double>(given));
    holdfast_str said = holdfast_error_field(error, HOLDFAST_FIELD_MESSAGE);
    object.set("message", said.len > 0 ? said : holdfast_error_message(error));
    object.set("answered", make_bool(env, said.len > 0));
    set_fields(object, [error](int32_t code) { return holdfast_error_field(error, code); });
    return object.value();
}

napi_value describe_and_free(napi_env env, holdfast_error *error)
{
    napi_value value = describe(env, error);
    holdfast_error_free(error);
    return value;
}

namespace {

napi_value misuse(napi_env env, const std::string &message)
{
    Object object(env);
    holdfast_status status = HOLDFAST_STATUS_MISUSE;
    object.set("status", static_cast<double>(status))
        .set("kind", holdfast_status_name(status))
        .set("phase", make(env, std::string()))
        .set("retryable", make_bool(env, false))
        .set("answered", make_bool(env, false))
        .set("message", make(env, message));
    return object.value();
}

} // namespace

napi_value no_such(napi_env env, const char *what)
{
    return misuse(env, std::string("this ") + what + " was given back or closed before");
}

napi_value malformed_params(napi_env env)
{
    return misuse(env, "the encoded parameters are malformed: lib/ and the addon are of different releases, so install again");
}

} // namespace holdfast_node
