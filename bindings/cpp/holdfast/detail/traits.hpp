// Part of holdfast.hpp: what the types of a program are.
#ifndef HOLDFAST_DETAIL_TRAITS_HPP
#define HOLDFAST_DETAIL_TRAITS_HPP

#include <chrono>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace holdfast::detail {

template <class>
inline constexpr bool never = false;

/// Numbers, by which neither truth values nor characters are meant.
template <class T>
inline constexpr bool is_number =
    std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t>
    && !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t> && !std::is_same_v<T, long double>;

template <class T>
inline constexpr bool is_byte =
    std::is_same_v<std::remove_cv_t<T>, std::byte> || std::is_same_v<std::remove_cv_t<T>, unsigned char>;

template <class T, class = void>
inline constexpr bool is_byte_range = false;
template <class T>
inline constexpr bool is_byte_range<
    T, std::void_t<decltype(std::declval<const T &>().size()), decltype(*std::declval<const T &>().data())>> =
    is_byte<std::remove_reference_t<decltype(*std::declval<const T &>().data())>>;

template <class>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_TRAITS_HPP
