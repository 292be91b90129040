// Part of holdfast.hpp: prepared statements.
#ifndef HOLDFAST_STATEMENTS_STATEMENT_HPP
#define HOLDFAST_STATEMENTS_STATEMENT_HPP

#include <holdfast.h>

#include "../detail/found.hpp"
#include "../detail/handle.hpp"
#include "../detail/native.hpp"
#include "../results/column.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

/// A prepared statement: a text with its description, for any connection of any pool; each prepares it for itself when it
/// first runs there. Never changes; any thread. connection_ref::prepare makes one.
class statement {
public:
    statement() = default;
    /// Takes the handle over.
    explicit statement(holdfast_statement *it) noexcept : it_(it) {}

    std::string_view text() const noexcept { return detail::view(holdfast_statement_text(it_.get())); }
    /// The number of parameters.
    std::size_t parameters() const noexcept { return holdfast_statement_parameters(it_.get()); }
    /// The type of a parameter, 0 being $1, as in pg_type; 0 if there is none.
    std::uint32_t parameter_type(std::size_t index) const noexcept
    {
        return holdfast_statement_parameter_type(it_.get(), index);
    }
    /// The number of columns of its result; 0 for statements that return no rows.
    std::size_t columns() const noexcept { return holdfast_statement_columns(it_.get()); }
    /// The description of a column when the statement was prepared; status::argument if there is none of that index.
    holdfast::column column(std::size_t index) const
    {
        auto it = detail::sized<holdfast_column>();
        if (!holdfast_statement_column(it_.get(), index, &it)) {
            detail::no_column(std::to_string(index));
        }
        return detail::described(it);
    }

    statement clone() const noexcept { return statement(holdfast_statement_clone(it_.get())); }
    explicit operator bool() const noexcept { return it_ != nullptr; }
    const holdfast_statement *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_statement, holdfast_statement_free> it_;
};

namespace detail {

template <>
struct found<statement> {
    static statement in(const holdfast_completion &done) noexcept { return statement(done.statement); }
};

} // namespace detail

} // namespace holdfast

#endif // HOLDFAST_STATEMENTS_STATEMENT_HPP
