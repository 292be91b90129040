// Part of holdfast.hpp: a text that the library makes.
#ifndef HOLDFAST_DETAIL_TEXT_HPP
#define HOLDFAST_DETAIL_TEXT_HPP

#include <holdfast.h>

#include "call.hpp"
#include "handle.hpp"
#include "native.hpp"

#include <optional>
#include <string>

namespace holdfast::detail {

/// Makes a call that takes where to put a text, and copies that; nothing if the call put none there.
template <class Call>
std::optional<std::string> text(const Call &function)
{
    const owned<holdfast_text, holdfast_text_free> it(made<holdfast_text>(function));
    return it ? std::optional<std::string>(view(holdfast_text_view(it.get()))) : std::nullopt;
}

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_TEXT_HPP
