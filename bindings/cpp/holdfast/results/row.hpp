// Part of holdfast.hpp: rows.
#ifndef HOLDFAST_RESULTS_ROW_HPP
#define HOLDFAST_RESULTS_ROW_HPP

#include <holdfast.h>

#include "../detail/index_iterator.hpp"
#include "../library/error.hpp"
#include "../library/status.hpp"
#include "column.hpp"
#include "value.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace holdfast {

/// A row of a result: a place in it, valid for as long as the result.
class row {
public:
    row(const holdfast_result *result, std::size_t index) noexcept : result_(result), index_(index) {}

    /// The value of a column by its number, from 0. Beyond the edges there is nothing to be read.
    value operator[](std::size_t column) const noexcept { return {result_, index_, column}; }

    /// The value of the first column of that name, which is looked for anew each time: result_ref::find_column looks for it
    /// once. status::argument if there is none.
    value operator[](std::string_view name) const
    {
        const auto column = detail::column_named(result_, name);
        if (!column) {
            detail::no_column('"' + std::string(name) + '"');
        }
        return {result_, index_, *column};
    }

    /// All values of the row as a tuple, or one value as such:
    ///     auto [id, name, price] = row.as<int, std::string_view, std::optional<double>>();
    /// status::argument if there are not as many columns; else as value::as.
    template <class... Types>
    auto as() const
    {
        static_assert(sizeof...(Types) > 0, "holdfast: say the types to read");
        if (size() != sizeof...(Types)) {
            throw error(status::argument, "the row does not have as many columns as are read from it");
        }
        return all<Types...>(std::index_sequence_for<Types...>());
    }

    /// The number of columns.
    std::size_t size() const noexcept { return holdfast_result_columns(result_); }
    /// Its number in the result, from 0.
    std::size_t index() const noexcept { return index_; }

    using iterator = detail::index_iterator<value, detail::row_place>;
    iterator begin() const noexcept { return {{result_, index_}, 0}; }
    iterator end() const noexcept { return {{result_, index_}, size()}; }

private:
    template <class... Types, std::size_t... Columns>
    auto all(std::index_sequence<Columns...>) const
    {
        if constexpr (sizeof...(Types) == 1) {
            return (*this)[0].template as<Types...>();
        } else {
            return std::tuple<Types...>{(*this)[Columns].template as<Types>()...};
        }
    }

    const holdfast_result *result_;
    std::size_t index_;
};

} // namespace holdfast

#endif // HOLDFAST_RESULTS_ROW_HPP
