// Part of holdfast.hpp: iterators over what is reached by an index.
#ifndef HOLDFAST_DETAIL_INDEX_ITERATOR_HPP
#define HOLDFAST_DETAIL_INDEX_ITERATOR_HPP

#include <cstddef>
#include <iterator>

namespace holdfast::detail {

/// Counts through what is reached by an index. Items are made when they are asked for, so that by the rules before C++20 it is
/// an input iterator; by those of C++20 it has random access.
template <class Item, class Source>
class index_iterator {
public:
    using iterator_category = std::input_iterator_tag;
#if __cplusplus >= 202002L
    using iterator_concept = std::random_access_iterator_tag;
#endif
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Item;

    index_iterator() = default;
    index_iterator(Source source, std::size_t index) noexcept : source_(source), index_(index) {}

    Item operator*() const { return Item(source_, index_); }
    index_iterator &operator++() noexcept
    {
        index_++;
        return *this;
    }
    index_iterator operator++(int) noexcept { return {source_, index_++}; }
    index_iterator &operator--() noexcept
    {
        index_--;
        return *this;
    }
    index_iterator operator--(int) noexcept { return {source_, index_--}; }
    index_iterator &operator+=(difference_type by) noexcept
    {
        index_ += static_cast<std::size_t>(by);
        return *this;
    }
    index_iterator &operator-=(difference_type by) noexcept { return *this += -by; }
    Item operator[](difference_type by) const { return *(*this + by); }
    friend index_iterator operator+(index_iterator it, difference_type by) noexcept { return it += by; }
    friend index_iterator operator+(difference_type by, index_iterator it) noexcept { return it += by; }
    friend index_iterator operator-(index_iterator it, difference_type by) noexcept { return it -= by; }
    friend difference_type operator-(const index_iterator &a, const index_iterator &b) noexcept
    {
        return static_cast<difference_type>(a.index_) - static_cast<difference_type>(b.index_);
    }
    friend bool operator<(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ < b.index_; }
    friend bool operator>(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ > b.index_; }
    friend bool operator<=(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ <= b.index_; }
    friend bool operator>=(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ >= b.index_; }
    friend bool operator==(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ == b.index_; }
    friend bool operator!=(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ != b.index_; }

private:
    Source source_{};
    std::size_t index_ = 0;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_INDEX_ITERATOR_HPP
