// Waiting for sockets to become readable, without asking them again and again.
#pragma once

#include "runtime.h"

namespace holdfast_node {

// One thread of the process waits for all of them: libuv's own watchers are no part of what Node promises to keep the same.
class SocketWatch {
  public:
    // The process's. The thread is started by the first wait.
    static SocketWatch &process();

    // Tells the mailbox once, with the tag, when the socket is readable or hung up. false if that cannot be: no descriptor or no
    // thread is to be had. The socket itself may be closed at any time, since it is waited for by a descriptor of its own.
    bool wait(int socket, const std::shared_ptr<Mailbox> &mailbox, int32_t tag);
    // No longer: what had become readable before may still be told.
    void forget(const std::shared_ptr<Mailbox> &mailbox, int32_t tag);
    // The same of all that this environment waits for.
    void forget_all(const std::shared_ptr<Mailbox> &mailbox);

  private:
    struct Wait {
        int socket;
        std::shared_ptr<Mailbox> mailbox;
        int32_t tag;
    };
    bool start();
    void forget_where(const std::function<bool(const Wait &)> &is_meant);
    std::vector<Wait> take(const std::function<bool(const Wait &)> &is_meant);
    void run();
    void interrupt();

    std::mutex mutex_;
    std::vector<Wait> waits_;
    // What is written to the second makes the thread look at the list again.
    int pipe_[2] = {-1, -1};
    bool running_ = false;
};

} // namespace holdfast_node
