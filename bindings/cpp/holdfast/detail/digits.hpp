// Part of holdfast.hpp: numbers as text.
#ifndef HOLDFAST_DETAIL_DIGITS_HPP
#define HOLDFAST_DETAIL_DIGITS_HPP

#include <charconv>
#include <cstddef>
#include <string_view>

namespace holdfast::detail {

/// A number as text, without the heap and without the program's locale.
class digits {
public:
    template <class T>
    explicit digits(T number) noexcept
    {
        // The longest are doubles, of 24 characters.
        len_ = static_cast<std::size_t>(std::to_chars(text_, text_ + sizeof text_, number).ptr - text_);
    }
    const char *data() const noexcept { return text_; }
    std::size_t size() const noexcept { return len_; }
    operator std::string_view() const noexcept { return {text_, len_}; }

private:
    char text_[32];
    std::size_t len_;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_DIGITS_HPP
