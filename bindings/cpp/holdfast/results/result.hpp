// Part of holdfast.hpp: the result of a statement.
#ifndef HOLDFAST_RESULTS_RESULT_HPP
#define HOLDFAST_RESULTS_RESULT_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/index_iterator.hpp"
#include "../detail/native.hpp"
#include "../library/error.hpp"
#include "../library/status.hpp"
#include "bytes.hpp"
#include "column.hpp"
#include "pack.hpp"
#include "row.hpp"
#include "value.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace holdfast {

class result;

/// A view of a result that another object owns: what std::string_view is to std::string. Never changes; any thread.
class result_ref {
public:
    result_ref() = default;
    result_ref(const holdfast_result *it) noexcept : it_(it) {}
    /// The result of that index of a script.
    result_ref(const holdfast_results *results, std::size_t index) noexcept : it_(holdfast_results_get(results, index)) {}

    /// The number of rows.
    std::size_t size() const noexcept { return holdfast_result_rows(it_); }
    bool empty() const noexcept { return size() == 0; }
    /// The row of this index, from 0. Beyond the last there is nothing to be read.
    holdfast::row operator[](std::size_t row) const noexcept { return {it_, row}; }
    using iterator = detail::index_iterator<holdfast::row, const holdfast_result *>;
    iterator begin() const noexcept { return {it_, 0}; }
    iterator end() const noexcept { return {it_, size()}; }

    /// The only row; status::argument if there is none or more than one.
    holdfast::row one() const
    {
        if (size() != 1) {
            throw error(status::argument, "the result has not one row but " + std::to_string(size()));
        }
        return {it_, 0};
    }
    /// The only row, or nothing if there is none; status::argument if there is more than one.
    std::optional<holdfast::row> one_or_none() const { return empty() ? std::nullopt : std::optional(one()); }

    /// The number of columns; 0 for statements that return no rows.
    std::size_t columns() const noexcept { return holdfast_result_columns(it_); }
    /// The description of a column; status::argument if there is none of that index.
    holdfast::column column(std::size_t index) const
    {
        auto it = detail::sized<holdfast_column>();
        if (!holdfast_result_column(it_, index, &it)) {
            detail::no_column(std::to_string(index));
        }
        return detail::described(it);
    }
    /// The number of the first column of that name.
    std::optional<std::size_t> find_column(std::string_view name) const noexcept
    {
        return detail::column_named(it_, name);
    }

    /// The server's command tag: "SELECT 3", "INSERT 0 1".
    std::string_view command_tag() const noexcept { return detail::view(holdfast_result_command_tag(it_)); }
    /// The number at the end of the command tag: rows changed or returned; 0 for commands that count none.
    std::uint64_t rows_affected() const noexcept { return holdfast_result_rows_affected(it_); }

    /// A further handle, which keeps the result alive; nothing is copied.
    inline result clone() const noexcept;
    /// The whole in one relocatable buffer, for decoders without this library.
    holdfast::pack pack() const
    {
        return holdfast::pack(detail::made<holdfast_pack>(
            [&](holdfast_pack **made, holdfast_error **about) { return holdfast_result_pack(it_, made, about); }));
    }

    explicit operator bool() const noexcept { return it_ != nullptr; }
    const holdfast_result *native() const noexcept { return it_; }

protected:
    const holdfast_result *it_ = nullptr;
};

class kept_row;

/// The rows of one statement. Outlives connection and pool.
class result : public result_ref {
public:
    result() = default;
    /// Takes the handle over.
    explicit result(holdfast_result *it) noexcept : result_ref(it) {}
    result(result &&other) noexcept : result_ref(std::exchange(other.it_, nullptr)) {}
    result &operator=(result &&other) noexcept
    {
        result gone(std::move(other)); // of which nothing is left
        std::swap(it_, gone.it_);
        return *this;
    }
    ~result() { holdfast_result_free(const_cast<holdfast_result *>(it_)); }

    // Iterators of a result that is about to go would lead nowhere: keep the result.
    iterator begin() const & noexcept { return result_ref::begin(); }
    iterator end() const & noexcept { return result_ref::end(); }
    void begin() && = delete;
    void end() && = delete;

    // A row of a result that is about to go takes that along:
    //     auto row = pool.query("select ...").one();
    holdfast::row operator[](std::size_t row) const & noexcept { return result_ref::operator[](row); }
    inline kept_row operator[](std::size_t row) && noexcept;
    holdfast::row one() const & { return result_ref::one(); }
    inline kept_row one() &&;
    std::optional<holdfast::row> one_or_none() const & { return result_ref::one_or_none(); }
    inline std::optional<kept_row> one_or_none() &&;
};

inline result result_ref::clone() const noexcept { return result(holdfast_result_clone(it_)); }

namespace detail {

/// The types that are read without copying.
template <class T>
inline constexpr bool is_view = std::is_same_v<T, std::string_view> || std::is_same_v<T, bytes>;
template <class T>
inline constexpr bool is_view<std::optional<T>> = is_view<T>;

} // namespace detail

/// A value and its result in one. What is viewed with it is valid for as long as it.
class kept_value : private value {
public:
    kept_value(holdfast::result of, const value &place) noexcept : value(place), of_(std::move(of)) {}

    using value::column;
    using value::format;
    using value::is_null;
    using value::row;

    template <class T>
    T as() const &
    {
        return value::as<T>();
    }
    template <class T>
    T as() &&
    {
        static_assert(!detail::is_view<T>,
                      "holdfast: the result goes here, and what is viewed with it: keep the row, or read std::string");
        return value::as<T>();
    }
    template <class T>
    T value_or(T otherwise) const &
    {
        return value::value_or(std::move(otherwise));
    }
    template <class T>
    T value_or(T otherwise) &&
    {
        static_assert(!detail::is_view<T>,
                      "holdfast: the result goes here, and what is viewed with it: keep the row, or read std::string");
        return value::value_or(std::move(otherwise));
    }
    bytes raw() const & noexcept { return value::raw(); }
    void raw() && = delete;
    /// The value alone, valid for as long as this.
    const value &view() const & noexcept { return *this; }

private:
    holdfast::result of_;
};

/// A row and its result in one. What is got from it is valid for as long as it.
class kept_row : private row {
public:
    kept_row(result of, std::size_t index) noexcept : row(of.native(), index), of_(std::move(of)) {}

    using row::index;
    using row::iterator;
    using row::size;

    // What is got from a row that is about to go takes the result along, or is refused where it cannot.
    iterator begin() const & noexcept { return row::begin(); }
    iterator end() const & noexcept { return row::end(); }
    void begin() && = delete;
    void end() && = delete;
    value operator[](std::size_t column) const & noexcept { return row::operator[](column); }
    value operator[](std::string_view name) const & { return row::operator[](name); }
    kept_value operator[](std::size_t column) && noexcept
    {
        const value place = row::operator[](column);
        return {std::move(of_), place};
    }
    kept_value operator[](std::string_view name) &&
    {
        const value place = row::operator[](name);
        return {std::move(of_), place};
    }

    template <class... Types>
    auto as() const &
    {
        return row::as<Types...>();
    }
    template <class... Types>
    auto as() &&
    {
        static_assert(!(detail::is_view<Types> || ...),
                      "holdfast: the result goes here, and what is viewed with it: keep the row, or read std::string");
        return row::as<Types...>();
    }
    /// The row alone, valid for as long as this.
    const row &view() const & noexcept { return *this; }

private:
    result of_;
};

kept_row result::operator[](std::size_t row) && noexcept { return {std::move(*this), row}; }

kept_row result::one() &&
{
    const std::size_t index = result_ref::one().index();
    return {std::move(*this), index};
}

std::optional<kept_row> result::one_or_none() &&
{
    if (empty()) {
        return std::nullopt;
    }
    return std::move(*this).one();
}

} // namespace holdfast

#endif // HOLDFAST_RESULTS_RESULT_HPP
