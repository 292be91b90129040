// Part of holdfast.hpp: cancelling from another thread.
#ifndef HOLDFAST_CONNECTIONS_CANCEL_TOKEN_HPP
#define HOLDFAST_CONNECTIONS_CANCEL_TOKEN_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/handle.hpp"
#include "../detail/limit.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace holdfast {

/// With this any thread can cancel what one connection is doing, until that goes back.
class cancel_token {
public:
    cancel_token() = default;
    /// Takes the handle over.
    explicit cancel_token(holdfast_cancel *it) noexcept : it_(it) {}

    /// Asks the server to cancel the statement that the connection runs now, which then fails with status::canceled. Blocks
    /// until the server has taken the request, for at most `timeout` or, without one, 5 s.
    void fire(std::optional<std::chrono::milliseconds> timeout = std::nullopt) const
    {
        const std::uint64_t most = timeout ? detail::limit(*timeout) : HOLDFAST_CONFIGURED;
        detail::call([&](holdfast_error **about) { return holdfast_cancel_fire(it_.get(), most, about); });
    }
    /// Makes the token, and its clones, fit for raise(): to be called before the signal handler can run.
    void arm() const
    {
        detail::call([&](holdfast_error **about) { return holdfast_cancel_arm(it_.get(), about); });
    }
    /// Asks for the same in a signal handler: a thread of the library sends the request. Async-signal-safe. False if the token
    /// was not armed.
    bool raise() const noexcept { return holdfast_cancel_raise(it_.get()); }
    cancel_token clone() const noexcept { return cancel_token(holdfast_cancel_clone(it_.get())); }
    const holdfast_cancel *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_cancel, holdfast_cancel_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_CANCEL_TOKEN_HPP
