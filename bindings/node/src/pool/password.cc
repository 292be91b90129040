// Passwords from JavaScript: a thread of the library asks, and waits until the thread of the environment has answered.
#include "event_fanout.h"
#include "../requests/submit.h"

namespace holdfast_node {

namespace {

void fail(holdfast_password *password, const std::string &why)
{
    holdfast_password_fail(password, why.data(), why.size(), nullptr);
}

// Passes on what was answered. Returns whether anything was.
bool pass_on(Asking &asking, holdfast_password *password)
{
    std::lock_guard<std::mutex> lock(asking.mutex);
    if (asking.status != HOLDFAST_STATUS_OK)
        return false;
    if (!asking.is_password)
        fail(password, asking.text);
    else if (holdfast_password_give(password, asking.text.data(), asking.text.size(), nullptr) != HOLDFAST_STATUS_OK)
        fail(password, "it gave a password with a NUL in it");
    asking.text.clear();
    return true;
}

void on_password(void *user_data, const holdfast_password_request *request, holdfast_password *password)
{
    (*static_cast<std::shared_ptr<EventFanout> *>(user_data))->ask(*request, password);
}

void forget(void *user_data)
{
    delete static_cast<std::shared_ptr<EventFanout> *>(user_data);
}

} // namespace

void EventFanout::ask(const holdfast_password_request &request, holdfast_password *password)
{
    std::vector<Listener> listeners;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        listeners = listeners_;
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(request.timeout_ms);
    const bool was_refused = request.was_refused != 0;
    for (const Listener &each : listeners) {
        if (!each.answers)
            continue;
        auto asking = std::make_shared<Asking>();
        each.mailbox->add_body(asking);
        each.mailbox->send({MessageKind::password, each.tag, HOLDFAST_STATUS_OK, [asking, was_refused](napi_env env, Runtime &self) {
                                return Object(env)
                                    .set("asking", make(env, self.add(HandleKind::asking, new std::shared_ptr<Asking>(asking))))
                                    .set("wasRefused", make_bool(env, was_refused))
                                    .value();
                            }});
        {
            std::unique_lock<std::mutex> lock(asking->mutex);
            if (!asking->changed.wait_until(lock, until, [&] { return asking->over; })) {
                lock.unlock();
                fail(password, "the function did not answer before the attempt's deadline");
                return;
            }
        }
        // Else its environment has ended: another one that shares the pool may answer.
        if (pass_on(*asking, password))
            return;
    }
    fail(password, "no thread of this process is left that has a function for it");
}

holdfast_status ask_for_passwords(holdfast_config *config, const std::shared_ptr<EventFanout> &fanout, holdfast_error **error)
{
    auto *asked = new std::shared_ptr<EventFanout>(fanout);
    holdfast_status status = holdfast_config_set_password(config, on_password, asked, forget, error);
    if (status != HOLDFAST_STATUS_OK)
        delete asked;
    return status;
}

// (asking, password or undefined, why there is none)
napi_value answer_password(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    auto *asking = static_cast<std::shared_ptr<Asking> *>(runtime(env).remove(arguments.integer(0), HandleKind::asking));
    if (asking != nullptr) {
        bool is_given = arguments.given(1);
        (*asking)->answer(is_given, arguments.string(is_given ? 1 : 2));
        delete asking;
    }
    return undefined(env);
}

} // namespace holdfast_node
