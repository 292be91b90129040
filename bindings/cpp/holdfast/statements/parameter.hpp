// Part of holdfast.hpp: parameters.
//
// A parameter for $1, $2 and so on. Integers, floating-point numbers, bool and texts (std::string, std::string_view,
// literals) go as text, whose type the server infers as it does for a literal; bytes go as bytea. std::nullopt,
// nullptr, an empty std::optional and a const char * that is NULL are the NULL of SQL. A std::vector of numbers, bool, texts
// or std::optional of those is an array. A time point of the system clock is a timestamptz, a duration an interval.
// typed(oid, value) sets the type, where the server could not infer it or would infer another. A holdfast_param goes as it
// is.
//
// Numbers and times are copied, to the stack, and arrays, to the heap: texts and bytes are only read during the call.

#ifndef HOLDFAST_STATEMENTS_PARAMETER_HPP
#define HOLDFAST_STATEMENTS_PARAMETER_HPP

#include <holdfast.h>

#include "../detail/digits.hpp"
#include "../detail/traits.hpp"
#include "../results/bytes.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace holdfast {

/// A parameter with its type, as in pg_type: typed(20, "42") is an int8. Holds a reference: make it in the call.
template <class T>
struct typed {
    constexpr typed(std::uint32_t type_oid, const T &it) noexcept : oid(type_oid), value(it) {}
    std::uint32_t oid;
    const T &value;
};

/// The conversion of a T to a parameter. Programs may specialize it for types of their own: a constructor that takes
/// the value, and get(), whose pointer is valid for as long as the object, which is not moved in between.
template <class T, class = void>
class parameter {
    static_assert(detail::never<T>,
                  "holdfast: not a type that can be a parameter; of char make a std::string_view or an int");
};

template <class T>
class parameter<T, std::enable_if_t<detail::is_number<T>>> {
public:
    explicit parameter(T number) noexcept : text_(number) {}
    holdfast_param get() const noexcept { return {text_.data(), text_.size(), 0, HOLDFAST_FORMAT_TEXT}; }

private:
    detail::digits text_;
};

template <>
class parameter<bool> {
public:
    explicit parameter(bool truth) noexcept : truth_(truth) {}
    holdfast_param get() const noexcept { return {truth_ ? "t" : "f", 1, 0, HOLDFAST_FORMAT_TEXT}; }

private:
    bool truth_;
};

template <class T>
class parameter<T, std::enable_if_t<std::is_convertible_v<const T &, std::string_view>
                                    && !std::is_same_v<T, std::nullptr_t>>> {
public:
    explicit parameter(const T &text) noexcept
    {
        if constexpr (std::is_pointer_v<T>) {
            is_null_ = text == nullptr;
            text_ = is_null_ ? std::string_view() : std::string_view(text);
        } else {
            text_ = text;
        }
    }
    holdfast_param get() const noexcept
    {
        // A view of nothing may point nowhere, which would be NULL.
        const char *begin = text_.data() != nullptr ? text_.data() : "";
        return {is_null_ ? nullptr : begin, text_.size(), 0, HOLDFAST_FORMAT_TEXT};
    }

private:
    std::string_view text_;
    bool is_null_ = false;
};

template <class T>
class parameter<T, std::enable_if_t<std::is_same_v<T, bytes> || detail::is_byte_range<T>>> {
public:
    explicit parameter(const T &range) noexcept : bytes_(range) {}
    holdfast_param get() const noexcept
    {
        constexpr std::uint32_t bytea = 17;
        const void *begin = bytes_.data();
        return {begin != nullptr ? begin : "", bytes_.size(), bytea, HOLDFAST_FORMAT_BINARY};
    }

private:
    bytes bytes_;
};

template <class T>
class parameter<T, std::enable_if_t<std::is_same_v<T, std::nullopt_t> || std::is_same_v<T, std::nullptr_t>>> {
public:
    explicit parameter(T) noexcept {}
    holdfast_param get() const noexcept { return {nullptr, 0, 0, HOLDFAST_FORMAT_TEXT}; }
};

template <class T>
class parameter<std::optional<T>> {
public:
    explicit parameter(const std::optional<T> &value)
    {
        if (value) {
            inner_.emplace(*value);
        }
    }
    holdfast_param get() const noexcept
    {
        return inner_ ? inner_->get() : holdfast_param{nullptr, 0, 0, HOLDFAST_FORMAT_TEXT};
    }

private:
    std::optional<parameter<T>> inner_;
};

template <class T>
class parameter<typed<T>> {
public:
    explicit parameter(const typed<T> &it) : oid_(it.oid), inner_(it.value) {}
    holdfast_param get() const noexcept
    {
        holdfast_param param = inner_.get();
        param.type_oid = oid_;
        return param;
    }

private:
    std::uint32_t oid_;
    parameter<std::decay_t<const T &>> inner_;
};

namespace detail {

template <class T>
inline constexpr bool is_array_element =
    (is_number<T> && !is_byte<T>) || std::is_same_v<T, bool> || std::is_convertible_v<const T &, std::string_view>;
template <class T>
inline constexpr bool is_array_element<std::optional<T>> = is_array_element<T>;

} // namespace detail

/// The text of an array as the server reads it: {1,2,NULL} or {"a","b \\"c\\""}.
template <class T>
class parameter<std::vector<T>, std::enable_if_t<detail::is_array_element<T>>> {
public:
    explicit parameter(const std::vector<T> &values)
    {
        text_ += '{';
        for (std::size_t i = 0; i < values.size(); i++) {
            if (i > 0) {
                text_ += ',';
            }
            // Of vector<bool> the elements are proxies.
            const T &value = values[i];
            add(parameter<T>(value).get());
        }
        text_ += '}';
    }
    holdfast_param get() const noexcept { return {text_.data(), text_.size(), 0, HOLDFAST_FORMAT_TEXT}; }

private:
    void add(const holdfast_param &element)
    {
        if (element.value == nullptr) {
            text_ += "NULL";
            return;
        }
        text_ += '"';
        for (const char c : std::string_view(static_cast<const char *>(element.value), element.len)) {
            if (c == '"' || c == '\\') {
                text_ += '\\';
            }
            text_ += c;
        }
        text_ += '"';
    }

    std::string text_;
};

/// A timestamptz, to the microsecond.
template <class Duration>
class parameter<std::chrono::time_point<std::chrono::system_clock, Duration>> {
public:
    explicit parameter(std::chrono::time_point<std::chrono::system_clock, Duration> time) noexcept
    {
        // The server counts from 2000-01-01 in UTC.
        constexpr std::chrono::seconds epoch(946684800);
        const auto since = std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch()) - epoch;
        auto count = static_cast<std::uint64_t>(since.count());
        for (std::size_t i = sizeof big_endian_; i-- > 0; count >>= 8) {
            big_endian_[i] = static_cast<unsigned char>(count & 0xff);
        }
    }
    holdfast_param get() const noexcept
    {
        constexpr std::uint32_t timestamptz = 1184;
        return {big_endian_, sizeof big_endian_, timestamptz, HOLDFAST_FORMAT_BINARY};
    }

private:
    unsigned char big_endian_[8];
};

/// An interval, to the microsecond.
template <class Rep, class Period>
class parameter<std::chrono::duration<Rep, Period>> {
public:
    explicit parameter(std::chrono::duration<Rep, Period> length)
        : text_(std::to_string(std::chrono::floor<std::chrono::microseconds>(length).count()) + " microseconds")
    {
    }
    holdfast_param get() const noexcept
    {
        constexpr std::uint32_t interval = 1186;
        return {text_.data(), text_.size(), interval, HOLDFAST_FORMAT_TEXT};
    }

private:
    std::string text_;
};

template <>
class parameter<holdfast_param> {
public:
    explicit parameter(const holdfast_param &param) noexcept : param_(param) {}
    holdfast_param get() const noexcept { return param_; }

private:
    holdfast_param param_;
};

} // namespace holdfast

#endif // HOLDFAST_STATEMENTS_PARAMETER_HPP
