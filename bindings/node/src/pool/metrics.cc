// What a pool shows of itself.
#include "../requests/submit.h"

#include <cstddef>

namespace holdfast_node {

static holdfast_pool *pool_of(napi_env env, const Arguments &arguments)
{
    return runtime(env).pool(arguments.integer(0));
}

// (pool, Float64Array of 6): connections idle, in use, being opened; callers waiting; the limit; the cap. Without making an
// object, since programs ask for their pool's counters often.
napi_value counts(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_stats all{};
    all.struct_size = offsetof(holdfast_stats, gets);
    napi_typedarray_type type;
    size_t length = 0, offset = 0;
    void *data = nullptr;
    napi_value buffer;
    if (napi_get_typedarray_info(env, arguments.at(1), &type, &length, &data, &buffer, &offset) != napi_ok || length < 6)
        return undefined(env);
    auto *out = static_cast<double *>(data);
    if (holdfast_pool_stats(pool_of(env, arguments), &all, nullptr) != HOLDFAST_STATUS_OK)
        all = holdfast_stats{};
    out[0] = all.idle;
    out[1] = all.in_use;
    out[2] = all.opening;
    out[3] = all.waiting;
    out[4] = all.limit;
    out[5] = all.max_size;
    return undefined(env);
}

// (pool) -> all figures, or what is wrong
napi_value stats(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_stats all{};
    all.struct_size = sizeof all;
    holdfast_error *error = nullptr;
    if (holdfast_pool_stats(pool_of(env, arguments), &all, &error) != HOLDFAST_STATUS_OK)
        return describe_and_free(env, error);
    Object closed(env);
    closed.set("idleTimeout", static_cast<double>(all.closed_idle_timeout))
        .set("maxLifetime", static_cast<double>(all.closed_max_lifetime))
        .set("validationFailed", static_cast<double>(all.closed_validation_failed))
        .set("broken", static_cast<double>(all.closed_broken))
        .set("deadlinePassed", static_cast<double>(all.closed_deadline_passed))
        .set("unclean", static_cast<double>(all.closed_unclean))
        .set("discarded", static_cast<double>(all.closed_discarded))
        .set("poolClosed", static_cast<double>(all.closed_pool_closed))
        .set("released", static_cast<double>(all.closed_released))
        .set("wrongRole", static_cast<double>(all.closed_wrong_role))
        .set("shared", static_cast<double>(all.closed_shared))
        .set("surplus", static_cast<double>(all.closed_surplus));
    Object errors(env);
    for (int32_t kind = 1; kind < HOLDFAST_ERROR_KINDS; kind++) {
        if (all.errors[kind] != 0)
            errors.set(holdfast_status_name(kind).ptr, static_cast<double>(all.errors[kind]));
    }
    Object object(env);
    object.set("maxSize", static_cast<double>(all.max_size))
        .set("limit", static_cast<double>(all.limit))
        .set("limitedBy", make(env, holdfast_limited_by_name(all.limited_by)))
        .set("total", static_cast<double>(all.total))
        .set("idle", static_cast<double>(all.idle))
        .set("inUse", static_cast<double>(all.in_use))
        .set("opening", static_cast<double>(all.opening))
        .set("waiting", static_cast<double>(all.waiting))
        .set("gets", static_cast<double>(all.gets))
        .set("waits", static_cast<double>(all.waits))
        .set("timeouts", static_cast<double>(all.timeouts))
        .set("opens", static_cast<double>(all.opens))
        .set("retries", static_cast<double>(all.retries))
        .set("statements", static_cast<double>(all.statements))
        .set("rolledBack", static_cast<double>(all.rolled_back))
        .set("probes", static_cast<double>(all.probes))
        .set("shed", static_cast<double>(all.shed))
        .set("validations", static_cast<double>(all.validations))
        .set("fleetShare", static_cast<double>(all.fleet_share))
        .set("fleetPeers", static_cast<double>(all.fleet_peers))
        .set("circuit", make(env, holdfast_circuit_name(all.circuit)))
        .set("circuitMillis", static_cast<double>(all.circuit_ms))
        .set("closed", closed.value())
        .set("errors", errors.value());
    return object.value();
}

static napi_value ago(napi_env env, uint64_t microseconds)
{
    return microseconds == HOLDFAST_NEVER ? null(env) : make(env, microseconds / 1000.0);
}

// (pool) -> its health, or what is wrong
napi_value health(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_health state{};
    state.struct_size = sizeof state;
    holdfast_error *error = nullptr;
    if (holdfast_pool_health(pool_of(env, arguments), &state, &error) != HOLDFAST_STATUS_OK)
        return describe_and_free(env, error);
    return Object(env)
        .set("status", make(env, holdfast_health_name(state.status)))
        .set("live", make_bool(env, state.live != 0))
        .set("ready", make_bool(env, state.ready != 0))
        .set("alerts", static_cast<double>(state.alerts))
        .set("reasons", static_cast<double>(state.reasons))
        .set("lastSuccessMillisAgo", ago(env, state.last_success_us))
        .set("lastErrorMillisAgo", ago(env, state.last_error_us))
        .set("lastProbeMillis", ago(env, state.last_probe_us))
        .value();
}

// (pool, format) -> a text, or what is wrong
napi_value metrics(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_text *text = nullptr;
    holdfast_error *error = nullptr;
    if (holdfast_pool_metrics(pool_of(env, arguments), arguments.integer(1), &text, &error) != HOLDFAST_STATUS_OK)
        return describe_and_free(env, error);
    napi_value value = make(env, holdfast_text_view(text));
    holdfast_text_free(text);
    return value;
}

// (pool, tag, format): the completion has the text.
napi_value explain_exhaustion(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    int32_t format = arguments.integer(2);
    return with_pool_on_a_thread(env, arguments, [format](holdfast_pool *pool) -> Outcome {
        holdfast_text *text = nullptr;
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_pool_explain_exhaustion(pool, format, &text, &error);
        if (status != HOLDFAST_STATUS_OK)
            return failed(status, error);
        std::shared_ptr<holdfast_text> kept(text, holdfast_text_free);
        return {status, [kept](napi_env env, Runtime &) { return make(env, holdfast_text_view(kept.get())); }};
    });
}

// (pool, tag): the completion has how many were closed.
napi_value release_idle(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    return with_pool_on_a_thread(env, arguments, [](holdfast_pool *pool) -> Outcome {
        size_t released = 0;
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_pool_release_idle(pool, &released, &error);
        if (status != HOLDFAST_STATUS_OK)
            return failed(status, error);
        return {status, [released](napi_env env, Runtime &) { return make(env, static_cast<double>(released)); }};
    });
}

// (pool, address, token, flags) -> { server, url }, or what is wrong
napi_value serve(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    std::string address = arguments.string(1), token = arguments.string(2);
    holdfast_server *server = nullptr;
    holdfast_error *error = nullptr;
    holdfast_status status =
        holdfast_pool_serve(pool_of(env, arguments), address.data(), address.size(), token.data(), token.size(),
                            static_cast<uint32_t>(arguments.integer(3)), &server, &error);
    if (status != HOLDFAST_STATUS_OK)
        return describe_and_free(env, error);
    return Object(env)
        .set("url", holdfast_server_url(server))
        .set("server", make(env, self.add(HandleKind::server, server)))
        .value();
}

// (server)
napi_value end_serving(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_server_free(static_cast<holdfast_server *>(runtime(env).remove(arguments.integer(0), HandleKind::server)));
    return undefined(env);
}

// (pool) -> where it leads to
napi_value target(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    return make(env, holdfast_pool_target(pool_of(env, arguments)));
}

} // namespace holdfast_node
