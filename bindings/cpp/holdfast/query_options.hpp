// Part of holdfast.hpp: how a pool runs one statement.
#ifndef HOLDFAST_QUERY_OPTIONS_HPP
#define HOLDFAST_QUERY_OPTIONS_HPP

#include "acquire_options.hpp"
#include "format.hpp"

namespace holdfast {

/// How a pool runs one statement.
struct query_options {
    /// How it gets a connection.
    acquire_options connection = {};
    /// How values come.
    format results = format::automatic;
};

} // namespace holdfast

#endif // HOLDFAST_QUERY_OPTIONS_HPP
