// Part of holdfast.hpp: the fields of what a server says.
#ifndef HOLDFAST_LIBRARY_FIELD_HPP
#define HOLDFAST_LIBRARY_FIELD_HPP

#include <holdfast.h>

#include <cstdint>

namespace holdfast {

/// A field of the server's error or notice; the HOLDFAST_FIELD_ constants.
enum class field : std::int32_t {
    severity = HOLDFAST_FIELD_SEVERITY,
    sqlstate = HOLDFAST_FIELD_SQLSTATE,
    message = HOLDFAST_FIELD_MESSAGE,
    detail = HOLDFAST_FIELD_DETAIL,
    hint = HOLDFAST_FIELD_HINT,
    position = HOLDFAST_FIELD_POSITION,
    internal_position = HOLDFAST_FIELD_INTERNAL_POSITION,
    internal_query = HOLDFAST_FIELD_INTERNAL_QUERY,
    context = HOLDFAST_FIELD_CONTEXT,
    schema = HOLDFAST_FIELD_SCHEMA,
    table = HOLDFAST_FIELD_TABLE,
    column = HOLDFAST_FIELD_COLUMN,
    data_type = HOLDFAST_FIELD_DATA_TYPE,
    constraint = HOLDFAST_FIELD_CONSTRAINT,
    file = HOLDFAST_FIELD_FILE,
    line = HOLDFAST_FIELD_LINE,
    routine = HOLDFAST_FIELD_ROUTINE,
};

} // namespace holdfast

#endif // HOLDFAST_LIBRARY_FIELD_HPP
