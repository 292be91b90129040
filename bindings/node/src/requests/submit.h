// What the exported functions need to hand requests over.
#pragma once

#include "../runtime/values.h"

namespace holdfast_node {

// Parameters as lib/values encodes them: for each an int32 length (-1 for NULL), a byte of format, three bytes of padding,
// the bytes, padded to four. They lie in runtime.params then, and point into the buffer. false if the buffer is too short.
bool read_params(napi_env env, napi_value buffer, size_t count, Runtime &runtime);

// The same in memory of its own, for a thread that goes on when JavaScript has its buffer back.
struct OwnParams {
    std::vector<uint8_t> bytes;
    std::vector<holdfast_param> params;
};
bool copy_params(napi_env env, napi_value buffer, size_t count, OwnParams &own);

// For a submission; all else is as the pool is configured.
holdfast_submit_options submit_options();

// What a submission with this tag returns: the number of the request, or what is wrong.
napi_value submitted(napi_env env, Runtime &self, int32_t tag, holdfast_status status, uint64_t request, holdfast_error *error);

// Does what may block on a thread of its own, never on those of libuv, which files and names need. What it returns is made
// into JavaScript by the payload.
using Outcome = std::pair<holdfast_status, std::function<napi_value(napi_env, Runtime &)>>;
void on_a_thread(napi_env env, int32_t tag, std::function<Outcome()> work);
// The same with the pool of a call, which stays until it is done, whatever becomes of its handle meanwhile.
napi_value with_pool_on_a_thread(napi_env env, const Arguments &arguments, std::function<Outcome(holdfast_pool *)> work);
Outcome failed(holdfast_status status, holdfast_error *error);

napi_value list_options(napi_env env, napi_callback_info info);
napi_value open_pool(napi_env env, napi_callback_info info);
napi_value free_pool(napi_env env, napi_callback_info info);
napi_value close_pool(napi_env env, napi_callback_info info);
napi_value submit_query(napi_env env, napi_callback_info info);
napi_value submit_acquire(napi_env env, napi_callback_info info);
napi_value submit_transaction(napi_env env, napi_callback_info info);
napi_value finish_body(napi_env env, napi_callback_info info);
napi_value cancel_request(napi_env env, napi_callback_info info);
napi_value answer_password(napi_env env, napi_callback_info info);

napi_value submit_connection_query(napi_env env, napi_callback_info info);
napi_value submit_connection_script(napi_env env, napi_callback_info info);
napi_value give_back(napi_env env, napi_callback_info info);
napi_value transaction_status(napi_env env, napi_callback_info info);
napi_value take_notices(napi_env env, napi_callback_info info);
napi_value take_notification(napi_env env, napi_callback_info info);
napi_value await_readable(napi_env env, napi_callback_info info);
napi_value forget_readable(napi_env env, napi_callback_info info);

napi_value open_stream(napi_env env, napi_callback_info info);
napi_value next_of_stream(napi_env env, napi_callback_info info);
napi_value free_stream(napi_env env, napi_callback_info info);

napi_value open_copy_in(napi_env env, napi_callback_info info);
napi_value write_copy_in(napi_env env, napi_callback_info info);
napi_value finish_copy_in(napi_env env, napi_callback_info info);
napi_value abort_copy_in(napi_env env, napi_callback_info info);
napi_value free_copy_in(napi_env env, napi_callback_info info);
napi_value open_copy_out(napi_env env, napi_callback_info info);
napi_value read_copy_out(napi_env env, napi_callback_info info);
napi_value free_copy_out(napi_env env, napi_callback_info info);

napi_value counts(napi_env env, napi_callback_info info);
napi_value stats(napi_env env, napi_callback_info info);
napi_value health(napi_env env, napi_callback_info info);
napi_value metrics(napi_env env, napi_callback_info info);
napi_value explain_exhaustion(napi_env env, napi_callback_info info);
napi_value release_idle(napi_env env, napi_callback_info info);
napi_value set_max_size(napi_env env, napi_callback_info info);
napi_value wait_until_warm(napi_env env, napi_callback_info info);
napi_value ping(napi_env env, napi_callback_info info);
napi_value serve(napi_env env, napi_callback_info info);
napi_value end_serving(napi_env env, napi_callback_info info);
napi_value target(napi_env env, napi_callback_info info);

} // namespace holdfast_node
