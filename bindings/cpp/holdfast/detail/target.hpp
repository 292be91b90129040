// Part of holdfast.hpp: what a request may be submitted to.
#ifndef HOLDFAST_DETAIL_TARGET_HPP
#define HOLDFAST_DETAIL_TARGET_HPP

#include <holdfast.h>

#include "../queues/queue.hpp"
#include "../queues/submit_options.hpp"
#include "../statements/pipeline.hpp"
#include "queues/ending.hpp"
#include "queues/parts.hpp"

#include <cstdint>
#include <future>
#include <memory>
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

/// Submits a pipeline of which each outcome goes to `on_outcome`, and the end to `to`. `submit` is the call of the library, but
/// for what it is submitted to.
template <class Function, class Ending, class Submit>
void hand_over_parts(queue &to, std::unique_ptr<Ending> ending, const pipeline &statements, Function &&on_outcome,
                     pipeline_mode mode, const submit_options &options, const Submit &submit)
{
    const pipeline::view requests(statements);
    auto how = options.native();
    how.in_parts = 1;
    using apart = outcomes_apart<std::decay_t<Function>, Ending>;
    auto them = std::make_shared<apart>(requests.size(), std::forward<Function>(on_outcome), std::move(ending));
    to.hand_over(std::make_unique<awaited_in_parts>(std::move(them)),
                 [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                     return submit(queue, tag, &how, requests.data(), requests.size(), static_cast<std::int32_t>(mode),
                                   options.request, about);
                 });
}
template <class... Args>
std::future<void> deliver_parts(queue &to, Args &&...args)
{
    auto ending = std::make_unique<promised<void>>();
    auto future = ending->future();
    hand_over_parts(to, std::move(ending), std::forward<Args>(args)...);
    return future;
}
template <class Function, class... Args>
void deliver_parts(queue::continuation<Function> &&then, Args &&...args)
{
    hand_over_parts(then.to, std::make_unique<continued<void, Function>>(std::move(then.function)),
                    std::forward<Args>(args)...);
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
