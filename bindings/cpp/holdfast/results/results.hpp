// Part of holdfast.hpp: the results of a script.
#ifndef HOLDFAST_RESULTS_RESULTS_HPP
#define HOLDFAST_RESULTS_RESULTS_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "../detail/index_iterator.hpp"
#include "result.hpp"

#include <cstddef>

namespace holdfast {

/// The results of a script, one for each of its statements. Those got by index belong to it; clone() one to keep it longer.
class results {
public:
    results() = default;
    /// Takes the handle over.
    explicit results(holdfast_results *it) noexcept : it_(it) {}

    std::size_t size() const noexcept { return holdfast_results_count(it_.get()); }
    bool empty() const noexcept { return size() == 0; }
    /// Empty where there is none.
    result_ref operator[](std::size_t index) const noexcept { return {it_.get(), index}; }
    using iterator = detail::index_iterator<result_ref, const holdfast_results *>;
    iterator begin() const noexcept { return {it_.get(), 0}; }
    iterator end() const noexcept { return {it_.get(), size()}; }

    const holdfast_results *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_results, holdfast_results_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_RESULTS_RESULTS_HPP
