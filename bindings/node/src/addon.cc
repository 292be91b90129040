// What the addon exports. Only lib/ calls it.
#include "requests/submit.h"

using namespace holdfast_node;

static napi_value init(napi_env env, napi_value exports)
{
    holdfast_error *error = nullptr;
    if (holdfast_check_version(HOLDFAST_VERSION_NUMBER, &error) != HOLDFAST_STATUS_OK) {
        napi_throw_error(env, nullptr, holdfast_error_message(error).ptr);
        holdfast_error_free(error);
        return nullptr;
    }
    void *already = nullptr;
    napi_get_instance_data(env, &already);
    if (already == nullptr)
        set_up(env);

    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = {
        {"attach", attach},
        {"turned", turned},
        {"options", list_options},
        {"openPool", open_pool},
        {"freePool", free_pool},
        {"closePool", close_pool},
        {"answerPassword", answer_password},
        {"submitQuery", submit_query},
        {"submitAcquire", submit_acquire},
        {"submitTransaction", submit_transaction},
        {"finishBody", finish_body},
        {"cancel", cancel_request},
        {"submitConnectionQuery", submit_connection_query},
        {"submitConnectionScript", submit_connection_script},
        {"giveBack", give_back},
        {"transactionStatus", transaction_status},
        {"notices", take_notices},
        {"notification", take_notification},
        {"awaitReadable", await_readable},
        {"forgetReadable", forget_readable},
        {"openStream", open_stream},
        {"nextOfStream", next_of_stream},
        {"freeStream", free_stream},
        {"openCopyIn", open_copy_in},
        {"writeCopyIn", write_copy_in},
        {"finishCopyIn", finish_copy_in},
        {"abortCopyIn", abort_copy_in},
        {"freeCopyIn", free_copy_in},
        {"openCopyOut", open_copy_out},
        {"readCopyOut", read_copy_out},
        {"freeCopyOut", free_copy_out},
        {"counts", counts},
        {"stats", stats},
        {"health", health},
        {"metrics", metrics},
        {"explainExhaustion", explain_exhaustion},
        {"releaseIdle", release_idle},
        {"setMaxSize", set_max_size},
        {"waitUntilWarm", wait_until_warm},
        {"ping", ping},
        {"serve", serve},
        {"endServing", end_serving},
        {"target", target},
    };
    for (const auto &each : functions) {
        napi_value function;
        napi_create_function(env, each.name, NAPI_AUTO_LENGTH, each.function, nullptr, &function);
        napi_set_named_property(env, exports, each.name, function);
    }
    return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
