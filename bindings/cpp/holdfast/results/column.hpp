// Part of holdfast.hpp: columns.
#ifndef HOLDFAST_RESULTS_COLUMN_HPP
#define HOLDFAST_RESULTS_COLUMN_HPP

#include <holdfast.h>

#include "../detail/native.hpp"
#include "../library/error.hpp"
#include "../library/status.hpp"
#include "format.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// A column. The name belongs to the object that was asked.
struct column {
    std::string_view name;
    /// Its type, as in pg_type.
    std::uint32_t type_oid;
    /// The length of values of this type; negative if it varies.
    std::int32_t type_size;
    /// The type's modifier, of varchar(n) for instance, as in pg_attribute.atttypmod; -1 for none.
    std::int32_t type_modifier;
    /// The table it comes from; 0 if it is no table's.
    std::uint32_t table_oid;
    /// Its number in that table, from 1; 0 if it is no table's.
    std::int32_t column_number;
    /// The format its values came in.
    holdfast::format format;
};

namespace detail {

inline column described(const holdfast_column &it) noexcept
{
    return {view(it.name), it.type_oid,      it.type_size,
            it.type_modifier, it.table_oid, it.column_number, static_cast<format>(it.format)};
}

[[noreturn]] inline void no_column(const std::string &which)
{
    throw error(status::argument, "there is no column " + which);
}

/// The number of the first column of that name.
inline std::optional<std::size_t> column_named(const holdfast_result *result, std::string_view name) noexcept
{
    const char *begin = name.data() != nullptr ? name.data() : "";
    const std::size_t index = holdfast_result_find_column(result, begin, name.size());
    return index != HOLDFAST_NOWHERE ? std::optional(index) : std::nullopt;
}

} // namespace detail

} // namespace holdfast

#endif // HOLDFAST_RESULTS_COLUMN_HPP
