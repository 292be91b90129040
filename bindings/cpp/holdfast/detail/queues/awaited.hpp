// Part of holdfast.hpp: requests that are not yet completed.
#ifndef HOLDFAST_DETAIL_QUEUES_AWAITED_HPP
#define HOLDFAST_DETAIL_QUEUES_AWAITED_HPP

#include <holdfast.h>

#include <memory>

namespace holdfast::detail {

class parts;

/// A request that was submitted and is not yet completed. Its address is its tag.
class awaited {
public:
    awaited() = default;
    awaited(const awaited &) = delete;
    awaited &operator=(const awaited &) = delete;
    virtual ~awaited() = default;
    /// Takes over what a completion holds that others follow. Called with the mailbox locked, and so in order; what it returns
    /// has to handle it afterwards. Only requests in parts have such completions.
    virtual std::shared_ptr<parts> take_part(const holdfast_completion &) noexcept { return nullptr; }
    /// Takes over what the only or last completion holds.
    virtual void complete(const holdfast_completion &done) noexcept = 0;

private:
    friend class mailbox;
    awaited *before_ = nullptr, *after_ = nullptr;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_QUEUES_AWAITED_HPP
