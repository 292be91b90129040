// Part of holdfast.hpp: values, and what they can be read as.
#ifndef HOLDFAST_RESULTS_VALUE_HPP
#define HOLDFAST_RESULTS_VALUE_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/digits.hpp"
#include "../detail/native.hpp"
#include "../detail/traits.hpp"
#include "../library/error.hpp"
#include "../library/status.hpp"
#include "bytes.hpp"
#include "format.hpp"

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace holdfast {

namespace detail {

/// The place of a row.
struct row_place {
    const holdfast_result *result;
    std::size_t index;
};

} // namespace detail

/// The conversion of a value to a T. Programs may specialize it for types of their own: static T read(const value &).
template <class T, class = void>
struct reader {
    static_assert(detail::never<T>, "holdfast: not a type that values can be read as");
};

/// A value of a result: a place in it, valid for as long as the result.
class value {
public:
    value(const holdfast_result *result, std::size_t row, std::size_t column) noexcept
        : result_(result), row_(row), column_(column)
    {
    }
    value(detail::row_place row, std::size_t column) noexcept : value(row.result, row.index, column) {}

    /// Returns whether it is the NULL of SQL; true where there is no such row or column.
    bool is_null() const noexcept { return holdfast_result_is_null(result_, row_, column_); }

    /// The value as an integer, double, float, bool, std::string_view, std::string, bytes, std::vector<std::byte>, or
    /// as a std::optional of those, which is what NULL needs. Integers and floating-point numbers are read from any
    /// text that is one as well, and every value that the library can print can be read as text, as the server prints
    /// it. bytes and std::vector<std::byte> are for bytea; only the latter can be read of a column that came as text,
    /// and both copies and std::string allocate. status::type if it cannot be read as that, or does not fit;
    /// status::is_null; status::argument beyond the edges.
    template <class T>
    T as() const
    {
        return reader<T>::read(*this);
    }

    /// The same, with something else in place of NULL.
    template <class T>
    T value_or(T otherwise) const
    {
        return is_null() ? std::move(otherwise) : as<T>();
    }

    /// The value as it came, in the format of its column; data() is nullptr for NULL.
    bytes raw() const noexcept
    {
        const holdfast_cell cell = holdfast_result_cell(result_, row_, column_);
        return {static_cast<const void *>(cell.ptr), cell.len};
    }

    /// The format it came in.
    holdfast::format format() const noexcept
    {
        auto column = detail::sized<holdfast_column>();
        holdfast_result_column(result_, column_, &column);
        return static_cast<holdfast::format>(column.format);
    }

    const holdfast_result *result() const noexcept { return result_; }
    std::size_t row() const noexcept { return row_; }
    std::size_t column() const noexcept { return column_; }

private:
    const holdfast_result *result_;
    std::size_t row_, column_;
};

namespace detail {

template <class T, class Read>
T read(const value &from, Read function)
{
    T it{};
    call([&](holdfast_error **about) { return function(from.result(), from.row(), from.column(), &it, about); });
    return it;
}

} // namespace detail

template <class T>
struct reader<T, std::enable_if_t<detail::is_number<T> && std::is_integral_v<T>>> {
    static T read(const value &from)
    {
        const auto number = detail::read<std::int64_t>(from, holdfast_result_i64);
        const T it = static_cast<T>(number);
        if (static_cast<std::int64_t>(it) != number || (number < 0) != (it < T{})) {
            throw error(status::type, "a number does not fit the integer it is read as: "
                                          + std::string(std::string_view(detail::digits(number))));
        }
        return it;
    }
};

template <class T>
struct reader<T, std::enable_if_t<std::is_floating_point_v<T>>> {
    static T read(const value &from) { return static_cast<T>(detail::read<double>(from, holdfast_result_f64)); }
};

template <>
struct reader<bool> {
    static bool read(const value &from) { return detail::read<bool>(from, holdfast_result_bool); }
};

template <>
struct reader<std::string_view> {
    static std::string_view read(const value &from)
    {
        return detail::view(detail::read<holdfast_str>(from, holdfast_result_text));
    }
};

template <>
struct reader<std::string> {
    static std::string read(const value &from) { return std::string(reader<std::string_view>::read(from)); }
};

template <class T>
struct reader<std::optional<T>> {
    static std::optional<T> read(const value &from)
    {
        if (from.is_null()) {
            return std::nullopt;
        }
        return reader<T>::read(from);
    }
};

template <>
struct reader<bytes> {
    static bytes read(const value &from)
    {
        if (from.is_null()) {
            // Throws an error that distinguishes NULL from a place that does not exist.
            reader<std::string_view>::read(from);
        }
        if (from.format() != format::binary) {
            throw error(status::type, "the column came as text: ask for it as binary, or read std::vector<std::byte>");
        }
        return from.raw();
    }
};

/// A timestamp or timestamptz that came as binary, as format::automatic makes them; a timestamp is taken for UTC.
template <class Duration>
struct reader<std::chrono::time_point<std::chrono::system_clock, Duration>> {
    static std::chrono::time_point<std::chrono::system_clock, Duration> read(const value &from)
    {
        const bytes it = reader<bytes>::read(from);
        auto column = detail::sized<holdfast_column>();
        holdfast_result_column(from.result(), from.column(), &column);
        if ((column.type_oid != 1114 && column.type_oid != 1184) || it.size() != 8) {
            throw error(status::type, "the value is no timestamp");
        }
        std::uint64_t count = 0;
        for (const auto byte : it) {
            count = count << 8 | std::to_integer<std::uint64_t>(byte);
        }
        const auto micros = static_cast<std::int64_t>(count);
        // The server counts from 2000-01-01; the ends of the range are its infinities.
        constexpr std::int64_t epoch = 946684800LL * 1000000;
        if (micros == INT64_MIN || micros > INT64_MAX - epoch) {
            throw error(status::type, "an infinite timestamp is no time point");
        }
        const std::chrono::microseconds since(micros + epoch);
        return std::chrono::time_point<std::chrono::system_clock, Duration>(std::chrono::floor<Duration>(since));
    }
};

template <>
struct reader<std::vector<std::byte>> {
    static std::vector<std::byte> read(const value &from)
    {
        if (!from.is_null() && from.format() == format::text) {
            return decoded(from.raw().text());
        }
        const bytes it = reader<bytes>::read(from);
        return {it.begin(), it.end()};
    }

private:
    /// A bytea as the server prints it: \x and two digits a byte.
    static std::vector<std::byte> decoded(std::string_view text)
    {
        const std::size_t count = text.size() / 2 - (text.size() < 2 ? 0 : 1);
        std::vector<std::byte> all;
        all.reserve(count);
        bool good = text.size() >= 2 && text.size() % 2 == 0 && text[0] == '\\' && text[1] == 'x';
        for (std::size_t i = 2; good && i < text.size(); i += 2) {
            unsigned char byte = 0;
            const char *end = text.data() + i + 2;
            good = std::from_chars(text.data() + i, end, byte, 16).ptr == end;
            all.push_back(static_cast<std::byte>(byte));
        }
        if (!good) {
            throw error(status::type, "a value is not a bytea as the server prints it: " + std::string(text.substr(0, 40)));
        }
        return all;
    }
};

} // namespace holdfast

#endif // HOLDFAST_RESULTS_VALUE_HPP
