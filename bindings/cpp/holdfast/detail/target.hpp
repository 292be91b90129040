// Part of holdfast.hpp: what a request may be submitted to.
#ifndef HOLDFAST_DETAIL_TARGET_HPP
#define HOLDFAST_DETAIL_TARGET_HPP

#include "../queues/queue.hpp"

#include <future>
#include <type_traits>
#include <utility>

namespace holdfast::detail {

/// A queue gets a future, a continuation of one its function called.
template <class T, class Submit>
std::future<T> deliver(queue &to, const Submit &submit)
{
    return to.deliver<T>(submit);
}
template <class T, class Function, class Submit>
void deliver(queue::continuation<Function> &&then, const Submit &submit)
{
    then.to.template deliver_to<T>(std::move(then.function), submit);
}

template <class>
inline constexpr bool is_target = false;
template <>
inline constexpr bool is_target<queue> = true;
template <class Function>
inline constexpr bool is_target<queue::continuation<Function>> = true;

template <class Target>
using if_target = std::enable_if_t<is_target<std::decay_t<Target>>, int>;

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_TARGET_HPP
