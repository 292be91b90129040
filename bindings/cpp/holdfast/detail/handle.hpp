// Part of holdfast.hpp: who frees a handle of the library.
#ifndef HOLDFAST_DETAIL_HANDLE_HPP
#define HOLDFAST_DETAIL_HANDLE_HPP

#include <memory>

namespace holdfast::detail {

/// Frees a handle of the library; as the deleter of a std::unique_ptr it takes no room.
template <auto Free>
struct frees {
    template <class T>
    void operator()(T *it) const noexcept
    {
        Free(it);
    }
};

template <class T, auto Free>
using owned = std::unique_ptr<T, frees<Free>>;

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_HANDLE_HPP
