// Sends the events of a pool to every environment that has it.
#pragma once

#include "../runtime/runtime.h"

namespace holdfast_node {

// One pool object of JavaScript: its environment, and the number by which lib/native/dispatcher.js knows it.
struct Listener {
    std::shared_ptr<Mailbox> mailbox;
    int32_t tag;
    // It has a function for the password.
    bool answers = false;
};

// The pool objects of one pool of the library: one, or as many as there are threads that share it.
class EventFanout {
  public:
    void add(const Listener &listener);
    void remove(const Listener &listener);
    // Asks the first of them that has a function for the password, and gives what it answers. Waits for that, on a thread of
    // the library.
    void ask(const holdfast_password_request &request, holdfast_password *password);
    // Any thread. The payload is made once for each of them, by its own environment.
    void send(MessageKind kind, holdfast_status status, const std::function<napi_value(napi_env, Runtime &)> &payload);

  private:
    std::mutex mutex_;
    std::vector<Listener> listeners_;
};

// Has a pool that is opened with this configuration ask them for passwords.
holdfast_status ask_for_passwords(holdfast_config *config, const std::shared_ptr<EventFanout> &fanout, holdfast_error **error);
// Has a pool that is opened with this configuration tell them of its events, and of log records up to a level.
holdfast_status tell(holdfast_config *config, const std::shared_ptr<EventFanout> &fanout, int32_t level, holdfast_error **error);

} // namespace holdfast_node
