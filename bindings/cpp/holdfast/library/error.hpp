// Part of holdfast.hpp: errors.
#ifndef HOLDFAST_LIBRARY_ERROR_HPP
#define HOLDFAST_LIBRARY_ERROR_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "../detail/native.hpp"
#include "field.hpp"
#include "status.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

/// The state of a pool when a call failed; its fields are explained in holdfast.h.
using snapshot = ::holdfast_snapshot;

/// A failed attempt at opening a connection. The texts belong to the error.
struct attempt {
    /// The kind of the failure that ended it.
    holdfast::status status;
    /// The step in which it ended, as error::phase().
    std::string_view phase;
    /// The SQLSTATE the server answered with; empty if it did not.
    std::string_view sqlstate;
    /// The cause in words.
    std::string_view cause;
    /// The server it was made at, as host:port or a socket path.
    std::string_view target;
    /// The time it took.
    std::chrono::microseconds took;
    /// The wait before the next one; 0 after the last.
    std::chrono::microseconds backoff;
    /// The time since it ended, as of this call.
    std::chrono::microseconds age;
};

/// The error of a call that failed, written so that a person can act on it and a program can decide on it. what() is
/// the whole in one line. Copies share the library's error, cost no memory, and keep the texts valid. Any thread.
class error : public std::runtime_error {
public:
    /// An error of the library; takes `about` over, which may be NULL.
    error(holdfast_status status, detail::owned<holdfast_error, holdfast_error_free> about)
        : error(static_cast<holdfast::status>(status), std::shared_ptr<const holdfast_error>(std::move(about)))
    {
    }

    /// The same of an error that something else keeps alive.
    error(holdfast::status status, std::shared_ptr<const holdfast_error> about)
        : std::runtime_error(about ? holdfast_error_message(about.get()).ptr
                                   : holdfast_status_name(static_cast<holdfast_status>(status)).ptr),
          about_(std::move(about)), status_(status)
    {
    }

    /// An error of the program's own, or one found in this header.
    error(holdfast::status status, const std::string &what) : std::runtime_error(what), status_(status) {}

    /// The status, on which a program branches.
    holdfast::status status() const noexcept { return status_; }
    /// The name of the status in snake case, such as "server_full". Static.
    std::string_view kind() const noexcept
    {
        return detail::view(holdfast_status_name(static_cast<holdfast_status>(status_)));
    }
    /// The step in which it happened: "connect", "query", "commit" and so on; empty where there is none.
    std::string_view phase() const noexcept { return detail::view(holdfast_error_phase(about_.get())); }
    /// The remedy, for a person: the server's hint if it sent one, else the library's advice; empty if it has none.
    std::string_view remedy() const noexcept { return detail::view(holdfast_error_remedy(about_.get())); }
    /// The number of parameters the statement has, and the number given, if they differed.
    struct parameter_count {
        std::size_t wanted;
        std::size_t given;
    };
    std::optional<parameter_count> parameters() const noexcept
    {
        parameter_count count{};
        if (!holdfast_error_parameter_count(about_.get(), &count.wanted, &count.given))
            return std::nullopt;
        return count;
    }
    /// The number of the operating system's error (errno), where one is the cause; 0 if there is none.
    int os_error() const noexcept { return holdfast_error_os_error(about_.get()); }
    /// Returns whether trying the same again is safe and may succeed: it provably had no effect, and the cause is one
    /// that passes.
    bool retryable() const noexcept { return holdfast_error_is_retryable(about_.get()); }
    /// The time the failed call took, queueing and backoff included; 0 if it was not measured.
    std::chrono::microseconds elapsed() const noexcept
    {
        return detail::microseconds(holdfast_error_elapsed_us(about_.get()));
    }
    /// The server concerned, as host:port or a socket path; empty if there is none.
    std::string_view target() const noexcept { return detail::view(holdfast_error_target(about_.get())); }

    /// The server's message, field by field; empty for a field it did not send, and if it did not answer.
    std::string_view field(holdfast::field which) const noexcept
    {
        return detail::view(holdfast_error_field(about_.get(), static_cast<std::int32_t>(which)));
    }
    /// The five characters of the SQLSTATE.
    std::string_view sqlstate() const noexcept { return detail::view(holdfast_error_sqlstate(about_.get())); }
    /// "ERROR", "FATAL" or "PANIC".
    std::string_view severity() const noexcept { return field(holdfast::field::severity); }
    /// The server's message, without all that what() adds.
    std::string_view message() const noexcept { return field(holdfast::field::message); }
    std::string_view detail() const noexcept { return field(holdfast::field::detail); }
    std::string_view hint() const noexcept { return field(holdfast::field::hint); }
    /// The place in the statement, as a decimal number of characters from 1.
    std::string_view position() const noexcept { return field(holdfast::field::position); }
    std::string_view context() const noexcept { return field(holdfast::field::context); }
    std::string_view schema() const noexcept { return field(holdfast::field::schema); }
    std::string_view table() const noexcept { return field(holdfast::field::table); }
    std::string_view column() const noexcept { return field(holdfast::field::column); }
    std::string_view data_type() const noexcept { return field(holdfast::field::data_type); }
    std::string_view constraint() const noexcept { return field(holdfast::field::constraint); }

    /// The failed tries at opening a connection, oldest first; the texts belong to this error and its copies. Allocates.
    std::vector<attempt> attempts() const
    {
        std::vector<attempt> all;
        auto one = detail::sized<holdfast_attempt>();
        for (std::size_t i = 0; holdfast_error_attempt(about_.get(), i, &one); i++) {
            all.push_back({static_cast<holdfast::status>(one.status), detail::view(one.phase),
                           detail::view(one.sqlstate), detail::view(one.cause), detail::view(one.target),
                           detail::microseconds(one.took_us), detail::microseconds(one.backoff_us),
                           detail::microseconds(one.age_us)});
        }
        return all;
    }

    /// The state of the pool when the call failed; nothing if no pool was concerned.
    std::optional<holdfast::snapshot> snapshot() const noexcept
    {
        auto taken = detail::sized<holdfast::snapshot>();
        return holdfast_error_snapshot(about_.get(), &taken) ? std::optional(taken) : std::nullopt;
    }

    /// For functions of holdfast.h; NULL if this error is not one of the library's.
    const holdfast_error *native() const noexcept { return about_.get(); }

private:
    std::shared_ptr<const holdfast_error> about_;
    holdfast::status status_;
};

} // namespace holdfast

#endif // HOLDFAST_LIBRARY_ERROR_HPP
