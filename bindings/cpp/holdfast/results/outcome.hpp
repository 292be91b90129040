// Part of holdfast.hpp: what became of a pipeline.
#ifndef HOLDFAST_RESULTS_OUTCOME_HPP
#define HOLDFAST_RESULTS_OUTCOME_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "../detail/index_iterator.hpp"
#include "../library/error.hpp"
#include "../library/status.hpp"
#include "result.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace holdfast {

namespace detail {

using shared_outcomes = std::shared_ptr<const holdfast_outcomes>;

} // namespace detail

/// The outcome of one statement of a pipeline.
class outcome {
public:
    outcome(const detail::shared_outcomes *of, std::size_t index) noexcept : of_(of), index_(index) {}

    bool ok() const noexcept { return holdfast_outcomes_error(of_->get(), index_) == nullptr; }
    explicit operator bool() const noexcept { return ok(); }

    /// Its result, which belongs to the outcomes; throws its error if it failed.
    result_ref get() const
    {
        if (auto failure = error()) {
            throw *std::move(failure);
        }
        return result_ref(holdfast_outcomes_result(of_->get(), index_));
    }
    /// Its error, if it failed; it keeps the outcomes alive.
    std::optional<holdfast::error> error() const
    {
        const holdfast_error *about = holdfast_outcomes_error(of_->get(), index_);
        if (about == nullptr) {
            return std::nullopt;
        }
        return holdfast::error(static_cast<status>(holdfast_error_status(about)),
                               std::shared_ptr<const holdfast_error>(*of_, about));
    }

private:
    const detail::shared_outcomes *of_;
    std::size_t index_;
};

/// The outcomes of the statements of a pipeline, in their order. Allocates once.
class outcomes {
public:
    outcomes() = default;
    /// Takes the handle over.
    explicit outcomes(holdfast_outcomes *it) : it_(it, detail::frees<holdfast_outcomes_free>()) {}
    outcomes(outcomes &&) = default;
    outcomes &operator=(outcomes &&) = default;

    std::size_t size() const noexcept { return holdfast_outcomes_count(it_.get()); }
    bool empty() const noexcept { return size() == 0; }
    /// Valid for as long as the outcomes stay where they are.
    outcome operator[](std::size_t index) const noexcept { return {&it_, index}; }
    using iterator = detail::index_iterator<outcome, const detail::shared_outcomes *>;
    iterator begin() const noexcept { return {&it_, 0}; }
    iterator end() const noexcept { return {&it_, size()}; }

    const holdfast_outcomes *native() const noexcept { return it_.get(); }

private:
    detail::shared_outcomes it_;
};

} // namespace holdfast

#endif // HOLDFAST_RESULTS_OUTCOME_HPP
