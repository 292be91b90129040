#include "socket_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace holdfast_node {

SocketWatch &SocketWatch::process()
{
    // Never destroyed, since its thread ends with the process.
    static auto *watch = new SocketWatch;
    return *watch;
}

bool SocketWatch::start()
{
    if (running_)
        return true;
    if (pipe_[0] < 0) {
        if (pipe(pipe_) != 0)
            return false;
        for (int end : pipe_) {
            fcntl(end, F_SETFD, FD_CLOEXEC);
            fcntl(end, F_SETFL, O_NONBLOCK);
        }
    }
    try {
        std::thread([this] { run(); }).detach();
    } catch (const std::system_error &) {
        return false;
    }
    running_ = true;
    return true;
}

void SocketWatch::interrupt()
{
    // A full pipe is read soon, and one byte is as good as many.
    ssize_t written = write(pipe_[1], "", 1);
    (void)written;
}

bool SocketWatch::wait(int socket, const std::shared_ptr<Mailbox> &mailbox, int32_t tag)
{
    int own = socket < 0 ? -1 : fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return false;
    std::lock_guard<std::mutex> lock(mutex_);
    if (!start()) {
        close(own);
        return false;
    }
    waits_.push_back({own, mailbox, tag});
    interrupt();
    return true;
}

void SocketWatch::forget(const std::shared_ptr<Mailbox> &mailbox, int32_t tag)
{
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = std::find_if(waits_.begin(), waits_.end(),
                              [&](const Wait &each) { return each.mailbox == mailbox && each.tag == tag; });
    if (found == waits_.end())
        return;
    // The thread may be waiting for this very number, which another file could get: it looks again, and what it is told of a
    // descriptor that is in nobody's list it leaves alone.
    close(found->socket);
    waits_.erase(found);
    interrupt();
}

void SocketWatch::forget_all(const std::shared_ptr<Mailbox> &mailbox)
{
    std::lock_guard<std::mutex> lock(mutex_);
    auto kept = std::stable_partition(waits_.begin(), waits_.end(),
                                      [&](const Wait &each) { return each.mailbox != mailbox; });
    if (kept == waits_.end())
        return;
    std::for_each(kept, waits_.end(), [](const Wait &each) { close(each.socket); });
    waits_.erase(kept, waits_.end());
    interrupt();
}

void SocketWatch::run()
{
    std::vector<pollfd> polled;
    for (;;) {
        polled.assign(1, {pipe_[0], POLLIN, 0});
        {
            std::lock_guard<std::mutex> lock(mutex_);
            for (const Wait &each : waits_)
                polled.push_back({each.socket, POLLIN, 0});
        }
        if (poll(polled.data(), static_cast<nfds_t>(polled.size()), -1) <= 0)
            continue;
        char bytes[64];
        while (polled[0].revents != 0 && read(pipe_[0], bytes, sizeof bytes) == sizeof bytes) {
        }
        std::vector<Wait> ready;
        {
            std::lock_guard<std::mutex> lock(mutex_);
            auto is_ready = [&](const Wait &wait) {
                return std::any_of(polled.begin() + 1, polled.end(),
                                   [&](const pollfd &each) { return each.fd == wait.socket && each.revents != 0; });
            };
            auto first = std::stable_partition(waits_.begin(), waits_.end(), [&](const Wait &each) { return !is_ready(each); });
            ready.assign(std::make_move_iterator(first), std::make_move_iterator(waits_.end()));
            waits_.erase(first, waits_.end());
        }
        for (const Wait &each : ready) {
            close(each.socket);
            each.mailbox->send({Happening::readable, each.tag, HOLDFAST_STATUS_OK, nullptr});
        }
    }
}

} // namespace holdfast_node
