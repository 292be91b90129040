// Pools: options, opening, closing, and what is submitted to a pool.
#include "submit.h"

#include <cstring>
#include <map>

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

// Who is told what happens in a pool: an environment, and the number by which it knows the pool.
struct Listener {
    std::shared_ptr<Mailbox> mailbox;
    int32_t tag;
};

void forget_listener(void *user_data)
{
    delete static_cast<Listener *>(user_data);
}

std::string owned(holdfast_str text)
{
    return std::string(text.ptr, text.len);
}

void on_event(void *user_data, const holdfast_event *event)
{
    switch (event->kind) {
    // Every loan makes these, and JavaScript knows of its loans itself.
    case HOLDFAST_EVENT_ACQUIRED:
    case HOLDFAST_EVENT_RELEASED:
    case HOLDFAST_EVENT_WAITED:
        return;
    }
    auto *listener = static_cast<Listener *>(user_data);
    struct Copy {
        int32_t kind;
        double unix_ms, took_us, connection;
        uint32_t pid, from, to;
        holdfast_status status;
        std::string pool, reason, message;
    };
    Copy copy{event->kind,
              event->unix_us / 1000.0,
              event->took_us == HOLDFAST_NO_DURATION ? -1.0 : static_cast<double>(event->took_us),
              static_cast<double>(event->connection),
              event->backend_pid,
              event->from,
              event->to,
              event->status,
              owned(event->pool),
              owned(event->reason),
              owned(event->message)};
    listener->mailbox->send({Happening::event, listener->tag, event->status,
                             [copy = std::move(copy)](napi_env env, Runtime &) {
                                 Object object(env);
                                 object.set("kind", static_cast<double>(copy.kind))
                                     .set("time", copy.unix_ms)
                                     .set("pool", make(env, copy.pool))
                                     .set("connection", copy.connection)
                                     .set("processID", static_cast<double>(copy.pid))
                                     .set("from", static_cast<double>(copy.from))
                                     .set("to", static_cast<double>(copy.to))
                                     .set("reason", make(env, copy.reason))
                                     .set("message", make(env, copy.message));
                                 if (copy.took_us >= 0)
                                     object.set("tookMillis", copy.took_us / 1000.0);
                                 if (copy.status != HOLDFAST_STATUS_OK)
                                     object.set("failure", holdfast_status_name(copy.status));
                                 return object.value();
                             }});
}

void on_record(void *user_data, const holdfast_log_record *record)
{
    auto *listener = static_cast<Listener *>(user_data);
    int32_t level = record->level;
    std::string message = owned(record->message);
    listener->mailbox->send({Happening::log, listener->tag, level, [level, message](napi_env env, Runtime &) {
                                 return Object(env)
                                     .set("level", static_cast<double>(level))
                                     .set("message", make(env, message))
                                     .value();
                             }});
}

// Pools that several environments of this process share, by name: the last one that ends it closes it. The program asked
// for that, and their names are few.
struct Shared {
    holdfast_pool *pool = nullptr;
    size_t users = 0;
};
std::mutex shared_lock;
std::map<std::string, Shared> &shared_pools()
{
    static auto *pools = new std::map<std::string, Shared>;
    return *pools;
}

// Whether this was the last user, or the pool is nobody's.
bool leave_shared(const std::string &name)
{
    if (name.empty())
        return true;
    holdfast_pool *left = nullptr;
    {
        std::lock_guard<std::mutex> lock(shared_lock);
        auto found = shared_pools().find(name);
        if (found == shared_pools().end())
            return true;
        if (--found->second.users > 0)
            return false;
        left = found->second.pool;
        shared_pools().erase(found);
    }
    holdfast_pool_free(left);
    return true;
}

holdfast_status configure(napi_env env, const Arguments &arguments, Runtime &self, holdfast_config *config,
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
    }
    int32_t tag = arguments.integer(1), level = arguments.integer(2);
    if (status == HOLDFAST_STATUS_OK) {
        auto *listener = new Listener{self.mailbox, tag};
        status = holdfast_config_set_event(config, on_event, listener, forget_listener, error);
        if (status != HOLDFAST_STATUS_OK)
            delete listener;
    }
    if (status == HOLDFAST_STATUS_OK && level > HOLDFAST_LOG_OFF) {
        auto *listener = new Listener{self.mailbox, tag};
        status = holdfast_config_set_log(config, level, on_record, listener, forget_listener, error);
        if (status != HOLDFAST_STATUS_OK)
            delete listener;
    }
    return status;
}

} // namespace

// (pairs, tag, level of log records, name if shared) -> handle, or what is wrong.
napi_value open_pool(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    std::string shared = arguments.string(3);
    std::unique_lock<std::mutex> lock(shared_lock, std::defer_lock);
    if (!shared.empty()) {
        lock.lock();
        auto found = shared_pools().find(shared);
        if (found != shared_pools().end() && !holdfast_pool_is_closed(found->second.pool)) {
            found->second.users++;
            return make(env, self.add(HandleKind::pool, holdfast_pool_clone(found->second.pool)));
        }
    }
    holdfast_config *config = holdfast_config_new();
    holdfast_error *error = nullptr;
    holdfast_pool *pool = nullptr;
    holdfast_status status = configure(env, arguments, self, config, &error);
    if (status == HOLDFAST_STATUS_OK)
        status = holdfast_pool_open(config, &pool, &error);
    holdfast_config_free(config);
    if (status != HOLDFAST_STATUS_OK)
        return describe_and_free(env, error);
    if (!shared.empty()) {
        Shared &place = shared_pools()[shared];
        holdfast_pool *closed = place.pool;
        place = {holdfast_pool_clone(pool), 1};
        lock.unlock();
        holdfast_pool_free(closed);
    }
    return make(env, self.add(HandleKind::pool, pool));
}

// (pool)
napi_value free_pool(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_pool_free(static_cast<holdfast_pool *>(runtime(env).remove(arguments.integer(0), HandleKind::pool)));
    return undefined(env);
}

// (pool, tag, milliseconds, name if shared): closes it, unless others share it still.
napi_value close_pool(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto *pool = static_cast<holdfast_pool *>(runtime(env).remove(arguments.integer(0), HandleKind::pool));
    if (pool == nullptr)
        return no_such(env, "pool");
    bool last = leave_shared(arguments.string(3));
    uint64_t limit = arguments.number(2) < 0 ? HOLDFAST_CONFIGURED : arguments.milliseconds(2);
    on_a_thread(env, arguments.integer(1), [pool, limit, last]() -> Outcome {
        if (!last) {
            holdfast_pool_free(pool);
            return {HOLDFAST_STATUS_OK, nullptr};
        }
        holdfast_close_report report{};
        report.struct_size = sizeof report;
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_pool_close(pool, limit, &report, &error);
        holdfast_pool_free(pool);
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

static napi_value submitted(napi_env env, Runtime &self, holdfast_status status, uint64_t request, holdfast_error *error)
{
    if (status != HOLDFAST_STATUS_OK)
        return describe_and_free(env, error);
    self.begun(env);
    return make(env, static_cast<double>(request));
}

// (pool, tag, text, parameters, count, format, idempotent, retries, timeout, deadline) -> number of the request, or what is
// wrong.
napi_value submit_query(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    auto *pool = self.pool(arguments.integer(0));
    if (pool == nullptr)
        return no_such(env, "pool");
    size_t count = static_cast<size_t>(arguments.integer(4));
    if (!read_params(env, arguments.at(3), count, self))
        return no_such(env, "buffer of parameters");
    holdfast_submit_options options = submit_options();
    options.pack = 1;
    options.retries = arguments.integer(7);
    options.timeout_ms = arguments.milliseconds(8);
    options.deadline_ms = arguments.milliseconds(9);
    options.result_format = arguments.integer(5);
    options.idempotent = arguments.integer(6);
    holdfast_str text = arguments.text(2, self);
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status =
        holdfast_submit_query(pool, self.queue, static_cast<uint64_t>(arguments.integer(1)), &options, text.ptr, text.len,
                              count > 0 ? self.params.data() : nullptr, count, &request, &error);
    return submitted(env, self, status, request, error);
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
    return submitted(env, self, status, request, error);
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
        return no_such(env, "buffer of parameters");
    holdfast_submit_options options = submit_options();
    options.pack = 1;
    options.result_format = arguments.integer(5);
    options.deadline_ms = arguments.milliseconds(6);
    holdfast_str text = arguments.text(2, self);
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status = holdfast_submit_connection_query(
        connection, self.queue, static_cast<uint64_t>(arguments.integer(1)), &options, text.ptr, text.len,
        count > 0 ? self.params.data() : nullptr, count, &request, &error);
    return submitted(env, self, status, request, error);
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
    holdfast_str text = arguments.text(2, self);
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status =
        holdfast_submit_connection_script(connection, self.queue, static_cast<uint64_t>(arguments.integer(1)), &options,
                                          text.ptr, text.len, &request, &error);
    return submitted(env, self, status, request, error);
}

// (number of a request)
napi_value cancel_request(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    holdfast_request_cancel(runtime(env).queue, static_cast<uint64_t>(arguments.number(0)), nullptr);
    return undefined(env);
}

} // namespace holdfast_node
