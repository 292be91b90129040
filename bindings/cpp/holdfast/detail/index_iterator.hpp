// Part of holdfast.hpp: range-for over what is reached by an index.
#ifndef HOLDFAST_DETAIL_INDEX_ITERATOR_HPP
#define HOLDFAST_DETAIL_INDEX_ITERATOR_HPP

#include <cstddef>
#include <iterator>

namespace holdfast::detail {

/// Counts through what is reached by an index.
template <class Item, class Source>
class index_iterator {
public:
    using iterator_category = std::input_iterator_tag;
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
    friend bool operator==(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ == b.index_; }
    friend bool operator!=(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ != b.index_; }

private:
    Source source_{};
    std::size_t index_ = 0;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_INDEX_ITERATOR_HPP
