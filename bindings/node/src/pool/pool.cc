// Pools: options, opening, closing, and what is submitted to a pool.
#include "../requests/submit.h"

#include "shared_pool.h"

namespace holdfast_node {

napi_value list_options(napi_env env, napi_callback_info)
{
    napi_value list;
    size_t count = holdfast_option_count();
    napi_create_array_with_length(env, count, &list);
    for (size_t i = 0; i < count; i++) {
        holdfast_option option{};
        option.struct_size = sizeof option;
        if (holdfast_option_get(i, &option, nullptr) != HOLDFAST_STATUS_OK)
            continue;
        Object object(env);
        object.set("key", option.key)
            .set("group", option.group)
            .set("kind", option.kind)
            .set("default", option.default_value)
            .set("allowed", option.allowed)
            .set("doc", option.doc)
            .set("secret", make_bool(env, option.is_secret != 0));
        napi_set_element(env, list, static_cast<uint32_t>(i), object.value());
    }
    return list;
}

namespace {

// `wrong` becomes the option that is not taken: "url" for the connection string.
holdfast_status configure(napi_env env, const Arguments &arguments, holdfast_config *config, std::string &wrong,
                          holdfast_error **error)
{
    // Key and value, one after the other; first of all the connection string, which single options may then override.
    napi_value pairs = arguments.at(0), each;
    uint32_t count = 0;
    napi_get_array_length(env, pairs, &count);
    auto text = [&](uint32_t index) {
        std::string value;
        size_t length = 0;
        napi_get_element(env, pairs, index, &each);
        napi_get_value_string_utf8(env, each, nullptr, 0, &length);
        value.resize(length + 1);
        napi_get_value_string_utf8(env, each, &value[0], length + 1, &length);
        value.resize(length);
        return value;
    };
    holdfast_status status = HOLDFAST_STATUS_OK;
    for (uint32_t i = 0; i + 1 < count && status == HOLDFAST_STATUS_OK; i += 2) {
        std::string key = text(i), value = text(i + 1);
        status = key.empty() ? holdfast_config_set_url(config, value.data(), value.size(), error)
                             : holdfast_config_set(config, key.data(), key.size(), value.data(), value.size(), error);
        wrong = key.empty() ? "url" : key;
    }
    return status;
}

} // namespace

// (pairs, tag, level of log records, name if shared, whether there is a function for the password) -> handle, or what is wrong.
napi_value open_pool(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    std::string name = arguments.string(3);
    const bool answers = arguments.integer(4) != 0;
    Listener listener{self.mailbox, arguments.integer(1), answers};
    if (!name.empty()) {
        if (SharedPool *there = join_shared(name, listener))
            return make(env, self.add(HandleKind::pool, there));
    }
    auto fanout = std::make_shared<EventFanout>();
    holdfast_config *config = holdfast_config_new();
    holdfast_error *error = nullptr;
    holdfast_pool *pool = nullptr;
    std::string wrong;
    holdfast_status status = configure(env, arguments, config, wrong, &error);
    if (status == HOLDFAST_STATUS_OK)
        wrong.clear();
    if (status == HOLDFAST_STATUS_OK)
        status = tell(config, fanout, arguments.integer(2), &error);
    if (status == HOLDFAST_STATUS_OK && answers)
        status = ask_for_passwords(config, fanout, &error);
    if (status == HOLDFAST_STATUS_OK)
        status = holdfast_pool_open(config, &pool, &error);
    holdfast_config_free(config);
    if (status != HOLDFAST_STATUS_OK) {
        napi_value failure = describe_and_free(env, error);
        napi_set_named_property(env, failure, "option", make(env, wrong));
        return failure;
    }
    auto held = std::make_unique<SharedPool>(pool, fanout, listener, name);
    SharedPool *kept = name.empty() ? held.release() : SharedPool::share(std::move(held));
    return make(env, self.add(HandleKind::pool, kept));
}

// (pool): closes it if it has no other owner.
napi_value free_pool(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    delete static_cast<SharedPool *>(runtime(env).remove(arguments.integer(0), HandleKind::pool));
    return undefined(env);
}

// (pool, tag, milliseconds): closes it, unless others share it still.
napi_value close_pool(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    // It sends events until it is closed.
    std::shared_ptr<SharedPool> held(
        static_cast<SharedPool *>(runtime(env).remove(arguments.integer(0), HandleKind::pool)));
    if (held == nullptr)
        return no_such(env, "pool");
    uint64_t limit = arguments.number(2) < 0 ? HOLDFAST_CONFIGURED : arguments.milliseconds(2);
    bool last = held->leave();
    on_a_thread(env, arguments.integer(1), [held, limit, last]() -> Outcome {
        if (!last)
            return {HOLDFAST_STATUS_OK, nullptr};
        holdfast_close_report report{};
        report.struct_size = sizeof report;
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_pool_close(held->pool(), limit, &report, &error);
        if (status != HOLDFAST_STATUS_OK)
            return failed(status, error);
        return {status, [report](napi_env env, Runtime &) {
                    return Object(env)
                        .set("idleClosed", static_cast<double>(report.idle_closed))
                        .set("returned", static_cast<double>(report.returned))
                        .set("cancelled", static_cast<double>(report.cancelled))
                        .set("cut", static_cast<double>(report.cut))
                        .set("elapsedMillis", report.elapsed_us / 1000.0)
                        .value();
                }};
    });
    return undefined(env);
}

holdfast_submit_options submit_options()
{
    holdfast_submit_options options{};
    options.struct_size = sizeof options;
    return options;
}

napi_value submitted(napi_env env, Runtime &self, int32_t tag, holdfast_status status, uint64_t request,
                     holdfast_error *error)
{
    if (status != HOLDFAST_STATUS_OK)
        return describe_and_free(env, error);
    self.begun(env, tag, request);
    return make(env, static_cast<double>(request));
}

// (pool, tag, text, parameters, count, format, idempotent, retries, deadline, limit of the wait) -> number of the request, or what
// is wrong.
napi_value submit_query(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    auto *pool = self.pool(arguments.integer(0));
    if (pool == nullptr)
        return no_such(env, "pool");
    size_t count = static_cast<size_t>(arguments.integer(4));
    if (!read_params(env, arguments.at(3), count, self))
        return malformed_params(env);
    holdfast_submit_options options = submit_options();
    options.pack = 1;
    options.retries = arguments.integer(7);
    options.deadline_ms = arguments.milliseconds(8);
    options.deadline_covers_wait = 1;
    options.timeout_ms = arguments.milliseconds(9);
    options.result_format = arguments.integer(5);
    options.idempotent = arguments.integer(6);
    holdfast_str text = arguments.text(2, self);
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status =
        holdfast_submit_query(pool, self.queue, static_cast<uint64_t>(arguments.integer(1)), &options, text.ptr, text.len,
                              count > 0 ? self.params.data() : nullptr, count, &request, &error);
    return submitted(env, self, arguments.integer(1), status, request, error);
}

// (pool, tag, retries, timeout) -> number of the request, or what is wrong.
napi_value submit_acquire(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    auto *pool = self.pool(arguments.integer(0));
    if (pool == nullptr)
        return no_such(env, "pool");
    holdfast_submit_options options = submit_options();
    options.retries = arguments.integer(2);
    options.timeout_ms = arguments.milliseconds(3);
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status = holdfast_submit_acquire(pool, self.queue, static_cast<uint64_t>(arguments.integer(1)), &options,
                                                     &request, &error);
    return submitted(env, self, arguments.integer(1), status, request, error);
}

// (connection, tag, text, parameters, count, format, deadline) -> number of the request, or what is wrong.
napi_value submit_connection_query(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    auto *connection = self.connection(arguments.integer(0));
    if (connection == nullptr)
        return no_such(env, "client");
    size_t count = static_cast<size_t>(arguments.integer(4));
    if (!read_params(env, arguments.at(3), count, self))
        return malformed_params(env);
    holdfast_submit_options options = submit_options();
    options.pack = 1;
    options.result_format = arguments.integer(5);
    options.deadline_ms = arguments.milliseconds(6);
    options.deadline_covers_wait = 1;
    holdfast_str text = arguments.text(2, self);
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status = holdfast_submit_connection_query(
        connection, self.queue, static_cast<uint64_t>(arguments.integer(1)), &options, text.ptr, text.len,
        count > 0 ? self.params.data() : nullptr, count, &request, &error);
    return submitted(env, self, arguments.integer(1), status, request, error);
}

// (connection, tag, text, deadline) -> number of the request, or what is wrong.
napi_value submit_connection_script(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    auto *connection = self.connection(arguments.integer(0));
    if (connection == nullptr)
        return no_such(env, "client");
    holdfast_submit_options options = submit_options();
    options.deadline_ms = arguments.milliseconds(3);
    options.deadline_covers_wait = 1;
    holdfast_str text = arguments.text(2, self);
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status =
        holdfast_submit_connection_script(connection, self.queue, static_cast<uint64_t>(arguments.integer(1)), &options,
                                          text.ptr, text.len, &request, &error);
    return submitted(env, self, arguments.integer(1), status, request, error);
}

// (number of a request)
napi_value cancel_request(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_request_cancel(runtime(env).queue, static_cast<uint64_t>(arguments.number(0)), nullptr);
    return undefined(env);
}

} // namespace holdfast_node
