// Part of holdfast.hpp: requests that are not yet completed.
#ifndef HOLDFAST_DETAIL_AWAITED_HPP
#define HOLDFAST_DETAIL_AWAITED_HPP

#include <holdfast.h>

namespace holdfast::detail {

/// A request that was submitted and is not yet completed. Its address is its tag.
class awaited {
public:
    awaited() = default;
    awaited(const awaited &) = delete;
    awaited &operator=(const awaited &) = delete;
    virtual ~awaited() = default;
    /// Takes over what the completion holds.
    virtual void complete(const holdfast_completion &done) noexcept = 0;

private:
    friend class mailbox;
    awaited *before_ = nullptr, *after_ = nullptr;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_AWAITED_HPP
