// What may block, on threads of its own: streams, and transactions whose work is done in JavaScript.
#include "submit.h"

#include <cstring>
#include <system_error>

namespace holdfast_node {

void on_a_thread(napi_env env, int32_t tag, std::function<Outcome()> work)
{
    Runtime &self = runtime(env);
    std::shared_ptr<Mailbox> mailbox = self.mailbox;
    self.begun(env);
    auto kept = std::make_shared<std::function<Outcome()>>(std::move(work));
    auto run = [mailbox, tag, kept]() {
        Outcome outcome = (*kept)();
        // What the work holds is dropped before its end is reported: a stream that this thread still held would keep its connection
        // from what JavaScript submits next.
        *kept = nullptr;
        mailbox->send({MessageKind::done, tag, outcome.first, std::move(outcome.second)});
    };
    try {
        std::thread(run).detach();
    } catch (const std::system_error &) {
        // No thread is to be had: late is better than never.
        run();
    }
}

napi_value with_pool_on_a_thread(napi_env env, const Arguments &arguments, std::function<Outcome(holdfast_pool *)> work)
{
    holdfast_pool *given = runtime(env).pool(arguments.integer(0));
    if (given == nullptr)
        return no_such(env, "pool");
    std::shared_ptr<holdfast_pool> pool(holdfast_pool_clone(given), holdfast_pool_free);
    on_a_thread(env, arguments.integer(1), [pool, work = std::move(work)] { return work(pool.get()); });
    return undefined(env);
}

Outcome failed(holdfast_status status, holdfast_error *error)
{
    std::shared_ptr<holdfast_error> kept(error, holdfast_error_free);
    return {status, [kept](napi_env env, Runtime &) { return describe(env, kept.get()); }};
}

// (connection, tag, text, parameters, count, format) -> undefined, or what is wrong; the stream's handle comes with the
// completion.
napi_value open_stream(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    auto *connection = self.connection(arguments.integer(0));
    if (connection == nullptr)
        return no_such(env, "client");
    auto own = std::make_shared<OwnParams>();
    if (!copy_params(env, arguments.at(3), static_cast<size_t>(arguments.integer(4)), *own))
        return malformed_params(env);
    std::string text = arguments.string(2);
    int32_t format = arguments.integer(5);
    on_a_thread(env, arguments.integer(1), [connection, text, own, format]() -> Outcome {
        holdfast_stream *stream = nullptr;
        holdfast_error *error = nullptr;
        holdfast_status status =
            holdfast_connection_stream(connection, text.data(), text.size(), own->params.data(), own->params.size(), format,
                                       &stream, &error);
        if (status != HOLDFAST_STATUS_OK)
            return failed(status, error);
        // Freed when no one has taken it over: the environment may be gone.
        std::shared_ptr<holdfast_stream> kept(stream, holdfast_stream_free);
        return {status, [kept](napi_env env, Runtime &self) {
                    return make(env, self.add(HandleKind::stream, new std::shared_ptr<holdfast_stream>(kept)));
                }};
    });
    return undefined(env);
}

// (stream, tag, most rows): the completion has a pack, or nothing at the end.
napi_value next_of_stream(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto *handle = static_cast<std::shared_ptr<holdfast_stream> *>(
        runtime(env).get(arguments.integer(0), HandleKind::stream));
    if (handle == nullptr)
        return no_such(env, "stream");
    // It lives on in the thread, whatever becomes of the environment meanwhile.
    std::shared_ptr<holdfast_stream> stream = *handle;
    size_t most = static_cast<size_t>(arguments.integer(2, 1));
    on_a_thread(env, arguments.integer(1), [stream, most]() -> Outcome {
        holdfast_result *result = nullptr;
        holdfast_pack *pack = nullptr;
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_stream_next(stream.get(), most, &result, &error);
        if (status == HOLDFAST_STATUS_OK && result == nullptr)
            return {status, nullptr};
        if (status == HOLDFAST_STATUS_OK)
            status = holdfast_result_pack(result, &pack, &error);
        holdfast_result_free(result);
        if (status != HOLDFAST_STATUS_OK)
            return failed(status, error);
        std::shared_ptr<holdfast_pack> kept(pack, holdfast_pack_free);
        return {status, [kept](napi_env env, Runtime &) { return copied(env, holdfast_pack_data(kept.get())); }};
    });
    return undefined(env);
}

// (stream)
napi_value free_stream(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    delete static_cast<std::shared_ptr<holdfast_stream> *>(
        runtime(env).remove(arguments.integer(0), HandleKind::stream));
    return undefined(env);
}

namespace {

struct Work {
    std::shared_ptr<Mailbox> mailbox;
    int32_t tag;
};

// Called on a thread of the library, once for every run. JavaScript gets the connection, submits to it, and says how it
// went; this thread only waits for that.
holdfast_status run_body(void *user_data, holdfast_connection *connection, holdfast_error **)
{
    auto *work = static_cast<Work *>(user_data);
    auto body = std::make_shared<Body>();
    work->mailbox->add_body(body);
    work->mailbox->send({MessageKind::body, work->tag, HOLDFAST_STATUS_OK, [body, connection](napi_env env, Runtime &self) {
                             return Object(env)
                                 .set("body", make(env, self.add(HandleKind::body, new std::shared_ptr<Body>(body))))
                                 .set("connection", make(env, self.add(HandleKind::connection, connection, true)))
                                 .set("processID", static_cast<double>(holdfast_connection_backend_pid(connection)))
                                 .value();
                         }});
    std::unique_lock<std::mutex> lock(body->mutex);
    body->changed.wait(lock, [&] { return body->over; });
    return body->status;
}

void forget_work(void *user_data)
{
    delete static_cast<Work *>(user_data);
}

} // namespace

// (pool, tag, retries, timeout, isolation, access, deferrable, reruns, resolve commits, limit of the whole)
napi_value submit_transaction(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    auto *pool = self.pool(arguments.integer(0));
    if (pool == nullptr)
        return no_such(env, "pool");
    int32_t tag = arguments.integer(1);
    holdfast_submit_options options = submit_options();
    options.retries = arguments.integer(2);
    options.timeout_ms = arguments.milliseconds(3);
    holdfast_transaction_options transaction{};
    transaction.struct_size = sizeof transaction;
    transaction.isolation = arguments.integer(4);
    transaction.access = arguments.integer(5);
    transaction.deferrable = arguments.integer(6);
    transaction.reruns = arguments.integer(7);
    transaction.resolve_commit = arguments.integer(8);
    transaction.timeout_ms = arguments.milliseconds(9);
    auto *work = new Work{self.mailbox, tag};
    uint64_t request = 0;
    holdfast_error *error = nullptr;
    holdfast_status status =
        holdfast_submit_transaction(pool, self.queue, static_cast<uint64_t>(tag), &options, &transaction, run_body, work,
                                    forget_work, &request, &error);
    if (status != HOLDFAST_STATUS_OK)
        delete work;
    return submitted(env, self, tag, status, request, error);
}

// (body, connection, status): the connection belongs to the library, and is not given back but forgotten.
napi_value finish_body(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    self.remove(arguments.integer(1), HandleKind::connection);
    auto *body = static_cast<std::shared_ptr<Body> *>(self.remove(arguments.integer(0), HandleKind::body));
    if (body != nullptr) {
        (*body)->finish(arguments.integer(2));
        delete body;
    }
    return undefined(env);
}

} // namespace holdfast_node
