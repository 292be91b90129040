// COPY both ways. Calls may block, so each has a thread of its own.
#include "submit.h"

namespace holdfast_node {

namespace {

using CopyIn = std::shared_ptr<holdfast_copy_in>;
using CopyOut = std::shared_ptr<holdfast_copy_out>;

// The copy under a handle, which lives on in the thread of a call whatever becomes of the environment meanwhile.
template <typename Copy> Copy copy_of(napi_env env, const Arguments &arguments, HandleKind kind)
{
    auto *handle = static_cast<Copy *>(runtime(env).get(arguments.integer(0), kind));
    return handle == nullptr ? nullptr : *handle;
}

// Begins a copy; its handle comes with the completion.
template <typename Handle, typename Begin, typename Free>
napi_value begin(napi_env env, napi_callback_info info, HandleKind kind, Begin begin_on, Free free)
{
    Arguments arguments(env, info);
    auto *connection = runtime(env).connection(arguments.integer(0));
    if (connection == nullptr)
        return no_such(env, "client");
    std::string text = arguments.string(2);
    on_a_thread(env, arguments.integer(1), [connection, text, kind, begin_on, free]() -> Outcome {
        Handle *copy = nullptr;
        holdfast_error *error = nullptr;
        holdfast_status status = begin_on(connection, text.data(), text.size(), &copy, &error);
        if (status != HOLDFAST_STATUS_OK)
            return failed(status, error);
        // Freed if it is never taken over: the environment may be gone.
        std::shared_ptr<Handle> kept(copy, free);
        return {status, [kept, kind](napi_env env, Runtime &self) {
                    return make(env, self.add(kind, new std::shared_ptr<Handle>(kept)));
                }};
    });
    return undefined(env);
}

} // namespace

// (connection, tag, text) -> undefined, or what is wrong
napi_value open_copy_in(napi_env env, napi_callback_info info)
{
    return begin<holdfast_copy_in>(env, info, HandleKind::copy_in, holdfast_connection_copy_in, holdfast_copy_in_free);
}

// (connection, tag, text) -> undefined, or what is wrong
napi_value open_copy_out(napi_env env, napi_callback_info info)
{
    return begin<holdfast_copy_out>(env, info, HandleKind::copy_out, holdfast_connection_copy_out, holdfast_copy_out_free);
}

// (copy, tag, Buffer): the completion comes once the server keeps up.
napi_value write_copy_in(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    CopyIn copy = copy_of<CopyIn>(env, arguments, HandleKind::copy_in);
    void *bytes = nullptr;
    size_t size = 0;
    if (copy == nullptr || napi_get_buffer_info(env, arguments.at(2), &bytes, &size) != napi_ok)
        return no_such(env, "copy");
    // JavaScript may write to its buffer again.
    std::vector<uint8_t> data(static_cast<uint8_t *>(bytes), static_cast<uint8_t *>(bytes) + size);
    on_a_thread(env, arguments.integer(1), [copy, data = std::move(data)]() -> Outcome {
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_copy_in_write(copy.get(), data.data(), data.size(), &error);
        return status == HOLDFAST_STATUS_OK ? Outcome{status, nullptr} : failed(status, error);
    });
    return undefined(env);
}

// (copy, tag): the completion has the number of rows.
napi_value finish_copy_in(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    CopyIn copy = copy_of<CopyIn>(env, arguments, HandleKind::copy_in);
    if (copy == nullptr)
        return no_such(env, "copy");
    on_a_thread(env, arguments.integer(1), [copy]() -> Outcome {
        uint64_t rows = 0;
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_copy_in_finish(copy.get(), &rows, &error);
        if (status != HOLDFAST_STATUS_OK)
            return failed(status, error);
        return {status, [rows](napi_env env, Runtime &) { return make(env, static_cast<double>(rows)); }};
    });
    return undefined(env);
}

// (copy, tag, reason)
napi_value abort_copy_in(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    CopyIn copy = copy_of<CopyIn>(env, arguments, HandleKind::copy_in);
    if (copy == nullptr)
        return no_such(env, "copy");
    std::string reason = arguments.string(2);
    on_a_thread(env, arguments.integer(1), [copy, reason]() -> Outcome {
        holdfast_error *error = nullptr;
        holdfast_status status = holdfast_copy_in_abort(copy.get(), reason.data(), reason.size(), &error);
        return status == HOLDFAST_STATUS_OK ? Outcome{status, nullptr} : failed(status, error);
    });
    return undefined(env);
}

// (copy, tag, bytes): the completion has a Buffer of about so many, or the number of rows at the end.
napi_value read_copy_out(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    CopyOut copy = copy_of<CopyOut>(env, arguments, HandleKind::copy_out);
    if (copy == nullptr)
        return no_such(env, "copy");
    size_t enough = static_cast<size_t>(arguments.integer(2, 1));
    on_a_thread(env, arguments.integer(1), [copy, enough]() -> Outcome {
        auto data = std::make_shared<std::vector<uint8_t>>();
        while (data->size() < enough) {
            holdfast_cell piece{};
            holdfast_error *error = nullptr;
            holdfast_status status = holdfast_copy_out_read(copy.get(), &piece, &error);
            if (status != HOLDFAST_STATUS_OK)
                return failed(status, error);
            if (piece.ptr == nullptr)
                break;
            data->insert(data->end(), piece.ptr, piece.ptr + piece.len);
        }
        return {HOLDFAST_STATUS_OK, [copy, data](napi_env env, Runtime &) {
                    if (data->empty())
                        return make(env, static_cast<double>(holdfast_copy_out_rows(copy.get())));
                    return copied(env, {data->data(), data->size()});
                }};
    });
    return undefined(env);
}

// (copy)
napi_value free_copy_in(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    delete static_cast<CopyIn *>(runtime(env).remove(arguments.integer(0), HandleKind::copy_in));
    return undefined(env);
}

// (copy)
napi_value free_copy_out(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    delete static_cast<CopyOut *>(runtime(env).remove(arguments.integer(0), HandleKind::copy_out));
    return undefined(env);
}

} // namespace holdfast_node
