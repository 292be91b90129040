// Part of holdfast.hpp: the parameters of one call.
#ifndef HOLDFAST_DETAIL_ARGUMENTS_HPP
#define HOLDFAST_DETAIL_ARGUMENTS_HPP

#include <holdfast.h>

#include "../statements/parameter.hpp"

#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>

namespace holdfast::detail {

/// The parameters of one call, on the stack.
template <class... Args>
class arguments {
public:
    explicit arguments(const Args &...args)
        : kept_(args...), params_(std::apply(
                              [](const auto &...each) {
                                  return std::array<holdfast_param, sizeof...(Args)>{each.get()...};
                              },
                              kept_))
    {
    }
    arguments(const arguments &) = delete;
    arguments &operator=(const arguments &) = delete;

    const holdfast_param *data() const noexcept { return params_.data(); }
    static constexpr std::size_t size() noexcept { return sizeof...(Args); }

private:
    std::tuple<parameter<std::decay_t<const Args &>>...> kept_;
    std::array<holdfast_param, sizeof...(Args)> params_;
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_ARGUMENTS_HPP
