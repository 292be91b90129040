// Part of holdfast.hpp: a call that may fail.
#ifndef HOLDFAST_DETAIL_CALL_HPP
#define HOLDFAST_DETAIL_CALL_HPP

#include <holdfast.h>

#include "../library/error.hpp"
#include "handle.hpp"

namespace holdfast::detail {

[[noreturn]] inline void raise(holdfast_status status, holdfast_error *about)
{
    throw error(status, owned<holdfast_error, holdfast_error_free>(about));
}

/// Makes a call that takes where to put an error, and throws that.
template <class Call>
void call(const Call &function)
{
    holdfast_error *about = nullptr;
    if (const holdfast_status status = function(&about); status != HOLDFAST_STATUS_OK) {
        raise(status, about);
    }
}

/// The same of a call that also takes where to put a handle: returns that.
template <class T, class Call>
T *made(const Call &function)
{
    T *it = nullptr;
    call([&](holdfast_error **about) { return function(&it, about); });
    return it;
}

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_CALL_HPP
