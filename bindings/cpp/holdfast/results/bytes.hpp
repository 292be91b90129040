// Part of holdfast.hpp: bytes.
#ifndef HOLDFAST_RESULTS_BYTES_HPP
#define HOLDFAST_RESULTS_BYTES_HPP

#include "../detail/traits.hpp"

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace holdfast {

/// A view of bytes that another object owns: as a parameter a bytea, of a result a value as it came.
class bytes {
public:
    constexpr bytes() noexcept = default;
    constexpr bytes(const std::byte *data, std::size_t size) noexcept : data_(data), size_(size) {}
    bytes(const void *data, std::size_t size) noexcept : data_(static_cast<const std::byte *>(data)), size_(size) {}
    /// Makes a view of a std::vector, std::array, std::span and so on of std::byte or unsigned char.
    template <class Range, std::enable_if_t<detail::is_byte_range<Range>, int> = 0>
    bytes(const Range &range) noexcept : bytes(static_cast<const void *>(range.data()), range.size())
    {
    }

    constexpr const std::byte *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const std::byte *begin() const noexcept { return data_; }
    constexpr const std::byte *end() const noexcept { return data_ + size_; }
    constexpr const std::byte &operator[](std::size_t index) const noexcept { return data_[index]; }
    /// The same bytes as text.
    std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data_), size_}; }

private:
    const std::byte *data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace holdfast

#endif // HOLDFAST_RESULTS_BYTES_HPP
