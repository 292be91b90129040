// Part of holdfast.hpp: what a completion of the library holds.
#ifndef HOLDFAST_DETAIL_FOUND_HPP
#define HOLDFAST_DETAIL_FOUND_HPP

#include <holdfast.h>

#include "../queues/completion.hpp"
#include "../results/outcome.hpp"
#include "../results/pack.hpp"
#include "../results/result.hpp"
#include "../results/results.hpp"
#include "native.hpp"

namespace holdfast::detail {

/// How each kind of request is found in a completion.
template <class T>
struct found;
template <>
struct found<result> {
    static result in(const holdfast_completion &done) noexcept { return result(done.result); }
};
template <>
struct found<results> {
    static results in(const holdfast_completion &done) noexcept { return results(done.results); }
};
template <>
struct found<outcomes> {
    static outcomes in(const holdfast_completion &done) { return outcomes(done.outcomes); }
};
template <>
struct found<holdfast_close_report> {
    static holdfast_close_report in(const holdfast_completion &done) noexcept
    {
        auto report = sized<holdfast_close_report>();
        report.idle_closed = done.idle_closed;
        report.returned = done.returned;
        report.cancelled = done.cancelled;
        report.cut = done.cut;
        report.elapsed_us = done.running_us;
        return report;
    }
};
template <>
struct found<void> {
    static nothing in(const holdfast_completion &) noexcept { return {}; }
};
template <>
struct found<pack> {
    static pack in(const holdfast_completion &done) noexcept { return pack(done.pack); }
};

} // namespace holdfast::detail

#endif // HOLDFAST_DETAIL_FOUND_HPP
