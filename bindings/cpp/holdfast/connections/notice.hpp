// Part of holdfast.hpp: notices.
#ifndef HOLDFAST_CONNECTIONS_NOTICE_HPP
#define HOLDFAST_CONNECTIONS_NOTICE_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "../detail/index_iterator.hpp"
#include "../detail/native.hpp"
#include "../library/field.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast {

/// A notice of the server. Valid for as long as the notices.
class notice {
public:
    notice(const holdfast_notices *of, std::size_t index) noexcept : of_(of), index_(index) {}

    std::string_view field(holdfast::field which) const noexcept
    {
        return detail::view(holdfast_notices_field(of_, index_, static_cast<std::int32_t>(which)));
    }
    /// "WARNING", "NOTICE", ...
    std::string_view severity() const noexcept { return field(holdfast::field::severity); }
    std::string_view sqlstate() const noexcept { return field(holdfast::field::sqlstate); }
    std::string_view message() const noexcept { return field(holdfast::field::message); }

private:
    const holdfast_notices *of_;
    std::size_t index_;
};

/// The notices of the server: WARNING, NOTICE and the like, oldest first.
class notices {
public:
    notices() = default;
    /// Takes the handle over.
    explicit notices(holdfast_notices *it) noexcept : it_(it) {}

    std::size_t size() const noexcept { return holdfast_notices_count(it_.get()); }
    bool empty() const noexcept { return size() == 0; }
    notice operator[](std::size_t index) const noexcept { return {it_.get(), index}; }
    using iterator = detail::index_iterator<notice, const holdfast_notices *>;
    iterator begin() const noexcept { return {it_.get(), 0}; }
    iterator end() const noexcept { return {it_.get(), size()}; }
    const holdfast_notices *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_notices, holdfast_notices_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_NOTICE_HPP
