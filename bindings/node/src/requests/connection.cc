// Connections in hand.
#include "../runtime/socket_watch.h"
#include "submit.h"

#include <cstring>

namespace holdfast_node {

namespace {

constexpr size_t head = 8;
constexpr size_t alignment = 4;
constexpr int32_t null_length = -1;
// The protocol counts them in 16 bits.
constexpr size_t most_params = 65535;

// Only -1 is NULL. Any other length or position that lib/values/encode.js cannot have written is refused: read on from there,
// the bytes of one value would be taken for another.
bool walk(const uint8_t *bytes, size_t size, size_t count, std::vector<holdfast_param> &params)
{
    if (count > most_params)
        return false;
    params.resize(count);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (at > size || size - at < head)
            return false;
        int32_t length;
        memcpy(&length, bytes + at, sizeof length);
        holdfast_param &param = params[i];
        param.format = bytes[at + 4];
        param.type_oid = 0;
        at += head;
        if (param.format > 1)
            return false;
        if (length == null_length) {
            param.value = nullptr;
            param.len = 0;
            continue;
        }
        if (length < 0 || static_cast<size_t>(length) > size - at)
            return false;
        param.value = bytes + at;
        param.len = static_cast<size_t>(length);
        at += (param.len + alignment - 1) / alignment * alignment;
    }
    return at <= size;
}

} // namespace

bool read_params(napi_env env, napi_value buffer, size_t count, Runtime &runtime)
{
    if (count == 0)
        return true;
    void *bytes = nullptr;
    size_t size = 0;
    return napi_get_buffer_info(env, buffer, &bytes, &size) == napi_ok &&
           walk(static_cast<const uint8_t *>(bytes), size, count, runtime.params);
}

bool copy_params(napi_env env, napi_value buffer, size_t count, OwnParams &own)
{
    if (count == 0)
        return true;
    void *bytes = nullptr;
    size_t size = 0;
    if (napi_get_buffer_info(env, buffer, &bytes, &size) != napi_ok)
        return false;
    own.bytes.assign(static_cast<uint8_t *>(bytes), static_cast<uint8_t *>(bytes) + size);
    return walk(own.bytes.data(), size, count, own.params);
}

// (connection, whether to close it)
napi_value give_back(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto *connection =
        static_cast<holdfast_connection *>(runtime(env).remove(arguments.integer(0), HandleKind::connection));
    if (arguments.integer(1) != 0)
        holdfast_connection_discard(connection);
    else
        holdfast_connection_release(connection);
    return undefined(env);
}

// (connection) -> a HOLDFAST_TRANSACTION_ constant
napi_value transaction_status(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto *connection = runtime(env).connection(arguments.integer(0));
    return make(env, holdfast_connection_transaction_status(connection));
}

// (connection) -> an array, or undefined if there are none
napi_value take_notices(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto *connection = runtime(env).connection(arguments.integer(0));
    holdfast_notices *notices = nullptr;
    if (connection == nullptr || holdfast_connection_notices(connection, &notices, nullptr) != HOLDFAST_STATUS_OK ||
        notices == nullptr)
        return undefined(env);
    napi_value list;
    size_t count = holdfast_notices_count(notices);
    napi_create_array_with_length(env, count, &list);
    for (size_t i = 0; i < count; i++) {
        Object object(env);
        object.set("message", holdfast_notices_field(notices, i, HOLDFAST_FIELD_MESSAGE))
            .some("sqlstate", holdfast_notices_field(notices, i, HOLDFAST_FIELD_SQLSTATE));
        set_fields(object, [notices, i](int32_t code) { return holdfast_notices_field(notices, i, code); });
        napi_set_element(env, list, static_cast<uint32_t>(i), object.value());
    }
    holdfast_notices_free(notices);
    return list;
}

// (connection) -> a notification, undefined if none is there, or { failed } with what is wrong. Does not wait.
napi_value take_notification(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto *connection = runtime(env).connection(arguments.integer(0));
    holdfast_notification *notification = nullptr;
    holdfast_error *error = nullptr;
    if (connection == nullptr)
        return undefined(env);
    holdfast_status status = holdfast_connection_notification(connection, 0, &notification, &error);
    if (status == HOLDFAST_STATUS_BUSY) {
        holdfast_error_free(error);
        return undefined(env);
    }
    if (status != HOLDFAST_STATUS_OK)
        return Object(env).set("failed", describe_and_free(env, error)).value();
    if (notification == nullptr)
        return undefined(env);
    napi_value value = Object(env)
                           .set("processId", static_cast<double>(holdfast_notification_backend_pid(notification)))
                           .set("channel", holdfast_notification_channel(notification))
                           .set("payload", holdfast_notification_payload(notification))
                           .value();
    holdfast_notification_free(notification);
    return value;
}

// (connection, number) -> whether it is told once, under this number, when the socket of the connection is readable
napi_value await_readable(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    int socket = holdfast_connection_socket(self.connection(arguments.integer(0)));
    return make_bool(env, SocketWatch::process().wait(socket, self.mailbox, arguments.integer(1)));
}

// (number)
napi_value forget_readable(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    SocketWatch::process().forget(runtime(env).mailbox, arguments.integer(0));
    return undefined(env);
}

} // namespace holdfast_node
