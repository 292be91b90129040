// Part of holdfast.hpp: how a submitted request is to be done.
#ifndef HOLDFAST_QUEUES_SUBMIT_OPTIONS_HPP
#define HOLDFAST_QUEUES_SUBMIT_OPTIONS_HPP

#include <holdfast.h>

#include "../detail/limit.hpp"
#include "../detail/native.hpp"
#include "../pools/acquire_options.hpp"
#include "../results/format.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace holdfast {

class pack;
class result;

/// The options of a submitted request.
struct submit_options {
    /// The options for getting a connection, the timeout counted from the submission. Of no meaning for connections in
    /// hand.
    acquire_options connection = {};
    /// Limit for the statement, from when it runs; without it that of the connection (statement_deadline).
    std::optional<std::chrono::milliseconds> deadline = std::nullopt;
    /// True if that counts from the submission instead, and so limits the whole.
    bool deadline_covers_wait = false;
    /// The format of values.
    format results = format::automatic;
    /// As query_options::idempotent, of a single statement submitted to a pool.
    bool idempotent = false;
    /// True to have what the server remarks while the request runs in completion::notices, which functions given to queue::then
    /// get. For statements.
    bool notices = false;
    /// The place for the number that queue::cancel takes, if it is of interest.
    std::uint64_t *request = nullptr;

    holdfast_submit_options native() const noexcept
    {
        auto it = detail::sized<holdfast_submit_options>();
        it.retries = detail::repeats(connection.retries);
        it.timeout_ms = detail::limit(connection.timeout);
        it.deadline_ms = detail::limit(deadline);
        it.deadline_covers_wait = deadline_covers_wait ? 1 : 0;
        it.result_format = static_cast<std::int32_t>(results);
        it.idempotent = idempotent ? 1 : 0;
        it.notices = notices ? 1 : 0;
        return it;
    }
    /// The same for a single statement with a result that comes as a T.
    template <class T>
    holdfast_submit_options native_as() const noexcept
    {
        static_assert(std::is_same_v<T, result> || std::is_same_v<T, pack>, "holdfast: a result or a pack");
        auto it = native();
        it.pack = std::is_same_v<T, pack> ? 1 : 0;
        return it;
    }
};

} // namespace holdfast

#endif // HOLDFAST_QUEUES_SUBMIT_OPTIONS_HPP
