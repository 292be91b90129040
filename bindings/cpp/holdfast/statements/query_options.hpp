// Part of holdfast.hpp: how a pool runs one statement.
#ifndef HOLDFAST_STATEMENTS_QUERY_OPTIONS_HPP
#define HOLDFAST_STATEMENTS_QUERY_OPTIONS_HPP

#include <holdfast.h>

#include "../pools/acquire_options.hpp"
#include "../results/format.hpp"

namespace holdfast {

/// The options of one statement that a pool runs.
struct query_options {
    /// The options for getting a connection.
    acquire_options connection = {};
    /// The format of values.
    format results = format::automatic;
    /// Running the statement several times is the same as running it once: it is repeated if its connection is lost under it.
    bool idempotent = false;

    holdfast_acquire_options native() const noexcept
    {
        auto it = connection.native();
        it.idempotent = idempotent ? 1 : 0;
        return it;
    }
};

} // namespace holdfast

#endif // HOLDFAST_STATEMENTS_QUERY_OPTIONS_HPP
