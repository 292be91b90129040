// Part of holdfast.hpp: the options there are.
#ifndef HOLDFAST_POOLS_OPTION_HPP
#define HOLDFAST_POOLS_OPTION_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/native.hpp"

#include <cstddef>
#include <vector>

namespace holdfast {

/// The options there are, in the order of the reference table; their texts are static. Allocates.
inline std::vector<holdfast_option> options()
{
    std::vector<holdfast_option> all(holdfast_option_count(), detail::sized<holdfast_option>());
    for (std::size_t i = 0; i < all.size(); i++) {
        detail::call([&](holdfast_error **about) { return holdfast_option_get(i, &all[i], about); });
    }
    return all;
}

} // namespace holdfast

#endif // HOLDFAST_POOLS_OPTION_HPP
