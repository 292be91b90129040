// Part of holdfast.hpp: quoting.
#ifndef HOLDFAST_LIBRARY_QUOTE_HPP
#define HOLDFAST_LIBRARY_QUOTE_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/handle.hpp"
#include "../detail/native.hpp"

#include <string>
#include <string_view>

namespace holdfast {

namespace detail {

template <class Quote>
std::string quoted(std::string_view text, Quote function)
{
    const owned<holdfast_text, holdfast_text_free> made_text(
        made<holdfast_text>([&](holdfast_text **made, holdfast_error **about) {
            return function(text.data() != nullptr ? text.data() : "", text.size(), made, about);
        }));
    return std::string(view(holdfast_text_view(made_text.get())));
}

} // namespace detail

/// The text as a literal of SQL, in quotes, for statements that take no parameters. status::utf8 if it cannot be one.
inline std::string quote_literal(std::string_view text) { return detail::quoted(text, holdfast_quote_literal); }

/// The name of a table, a column, a channel and so on, in quotes, so that it is taken as it is written.
inline std::string quote_identifier(std::string_view name) { return detail::quoted(name, holdfast_quote_identifier); }

} // namespace holdfast

#endif // HOLDFAST_LIBRARY_QUOTE_HPP
