// The size of a pool while it runs, and whether its server answers.
#include "../requests/submit.h"

namespace holdfast_node {

// The completion has no value.
static napi_value asked_on_a_thread(napi_env env, const Arguments &arguments,
                                    std::function<holdfast_status(holdfast_pool *, holdfast_error **)> ask)
{
    return with_pool_on_a_thread(env, arguments, [ask = std::move(ask)](holdfast_pool *pool) -> Outcome {
        holdfast_error *error = nullptr;
        holdfast_status status = ask(pool, &error);
        return status == HOLDFAST_STATUS_OK ? Outcome{status, nullptr} : failed(status, error);
    });
}

// (pool, tag, most connections)
napi_value set_max_size(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto max_size = static_cast<uint32_t>(arguments.integer(2));
    return asked_on_a_thread(env, arguments, [max_size](holdfast_pool *pool, holdfast_error **error) {
        return holdfast_pool_set_max_size(pool, max_size, error);
    });
}

// (pool, tag, connections, milliseconds)
napi_value wait_until_warm(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto connections = static_cast<uint32_t>(arguments.integer(2));
    uint64_t timeout_ms = arguments.milliseconds(3);
    return asked_on_a_thread(env, arguments, [connections, timeout_ms](holdfast_pool *pool, holdfast_error **error) {
        return holdfast_pool_wait_until_warm(pool, connections, timeout_ms, error);
    });
}

// (pool, tag, milliseconds)
napi_value ping(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    uint64_t timeout_ms = arguments.milliseconds(2);
    return asked_on_a_thread(env, arguments, [timeout_ms](holdfast_pool *pool, holdfast_error **error) {
        return holdfast_pool_ping(pool, timeout_ms, error);
    });
}

} // namespace holdfast_node
