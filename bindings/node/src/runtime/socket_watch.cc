#include "socket_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <unordered_set>

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
    bool running;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        running = start();
        if (running)
            waits_.push_back({own, mailbox, tag});
    }
    if (running)
        interrupt();
    else
        close(own);
    return running;
}

void SocketWatch::forget(const std::shared_ptr<Mailbox> &mailbox, int32_t tag)
{
    forget_where([&](const Wait &each) { return each.mailbox == mailbox && each.tag == tag; });
}

void SocketWatch::forget_all(const std::shared_ptr<Mailbox> &mailbox)
{
    forget_where([&](const Wait &each) { return each.mailbox == mailbox; });
}

void SocketWatch::forget_where(const std::function<bool(const Wait &)> &is_meant)
{
    std::vector<Wait> forgotten = take(is_meant);
    // The thread may be waiting for these very numbers, which other files could get: it looks again, and what it is told of a
    // descriptor that is in no list it leaves alone.
    for (const Wait &each : forgotten)
        close(each.socket);
    if (!forgotten.empty())
        interrupt();
}

std::vector<SocketWatch::Wait> SocketWatch::take(const std::function<bool(const Wait &)> &is_meant)
{
    std::lock_guard<std::mutex> lock(mutex_);
    auto first = std::stable_partition(waits_.begin(), waits_.end(), [&](const Wait &each) { return !is_meant(each); });
    std::vector<Wait> taken(std::make_move_iterator(first), std::make_move_iterator(waits_.end()));
    waits_.erase(first, waits_.end());
    return taken;
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
        std::unordered_set<int> readable;
        for (const pollfd &each : polled) {
            if (each.revents != 0)
                readable.insert(each.fd);
        }
        std::vector<Wait> ready = take([&](const Wait &each) { return readable.count(each.socket) > 0; });
        for (const Wait &each : ready) {
            close(each.socket);
            each.mailbox->send({MessageKind::readable, each.tag, HOLDFAST_STATUS_OK, nullptr});
        }
    }
}

} // namespace holdfast_node
