// Part of holdfast.hpp: pipelines.
#ifndef HOLDFAST_STATEMENTS_PIPELINE_HPP
#define HOLDFAST_STATEMENTS_PIPELINE_HPP

#include <holdfast.h>

#include "../detail/arguments.hpp"
#include "../results/format.hpp"
#include "statement.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

/// The effect of one failed statement on the rest of a pipeline; the HOLDFAST_PIPELINE_ constants.
enum class pipeline_mode : std::int32_t {
    /// Each statement stands alone, and outside a transaction commits by itself.
    separate = HOLDFAST_PIPELINE_SEPARATE,
    /// All or nothing: those before it are undone and those behind it not run, which have status::rolled_back.
    together = HOLDFAST_PIPELINE_TOGETHER,
};

/// Statements to be sent in one go. Keeps copies of all it is given, so it allocates, and may be run any number of times.
class pipeline {
public:
    pipeline() = default;
    pipeline(pipeline &&) = default;
    pipeline &operator=(pipeline &&) = default;

    /// Adds a statement. Returns its index in the outcomes. Values come as text unless said otherwise: format::automatic
    /// costs a round trip for each statement that the connection has not prepared yet.
    template <class... Args>
    std::size_t query(std::string_view sql, const Args &...args)
    {
        return query(format::text, sql, args...);
    }
    template <class... Args>
    std::size_t query(format results, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return add({sql.size(), keep_sql(sql), statement(), 0, given.size(), results}, given.data());
    }
    /// Adds a prepared statement. Returns its index in the outcomes.
    template <class... Args>
    std::size_t execute(const statement &prepared, const Args &...args)
    {
        return execute(format::text, prepared, args...);
    }
    template <class... Args>
    std::size_t execute(format results, const statement &prepared, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return add({0, 0, prepared.clone(), 0, given.size(), results}, given.data());
    }

    std::size_t size() const noexcept { return requests_.size(); }
    bool empty() const noexcept { return requests_.empty(); }
    void clear() noexcept
    {
        requests_.clear();
        params_.clear();
        kept_.clear();
    }

    /// The requests as the library takes them, valid until the pipeline is changed.
    class view {
    public:
        explicit view(const pipeline &of) : params_(of.params_.size())
        {
            const char *kept = of.kept_.data();
            for (std::size_t i = 0; i < params_.size(); i++) {
                const param &from = of.params_[i];
                params_[i] = {from.is_null ? nullptr : kept + from.at, from.len, from.type_oid, from.format};
            }
            requests_.reserve(of.size());
            for (const request &from : of.requests_) {
                holdfast_request to{};
                if (from.prepared) {
                    to.statement = from.prepared.native();
                } else {
                    to.sql = kept + from.sql_at;
                    to.sql_len = from.sql_len;
                }
                to.params = params_.data() + from.first_param;
                to.nparams = from.nparams;
                to.result_format = static_cast<std::int32_t>(from.results);
                requests_.push_back(to);
            }
        }
        const holdfast_request *data() const noexcept { return requests_.data(); }
        std::size_t size() const noexcept { return requests_.size(); }

    private:
        std::vector<holdfast_param> params_;
        std::vector<holdfast_request> requests_;
    };

private:
    struct param {
        std::size_t at, len;
        bool is_null;
        std::uint32_t type_oid;
        std::int32_t format;
    };
    struct request {
        std::size_t sql_len, sql_at;
        statement prepared;
        std::size_t first_param, nparams;
        holdfast::format results;
    };

    std::size_t keep(const void *data, std::size_t len)
    {
        const std::size_t at = kept_.size();
        if (len > 0) {
            kept_.append(static_cast<const char *>(data), len);
        }
        return at;
    }

    /// The library is quickest with a text that is the one before.
    std::size_t keep_sql(std::string_view sql)
    {
        if (!requests_.empty()) {
            const request &before = requests_.back();
            if (!before.prepared && std::string_view(kept_).substr(before.sql_at, before.sql_len) == sql) {
                return before.sql_at;
            }
        }
        return keep(sql.data(), sql.size());
    }

    std::size_t add(request added, const holdfast_param *given)
    {
        added.first_param = params_.size();
        for (std::size_t i = 0; i < added.nparams; i++) {
            const bool is_null = given[i].value == nullptr;
            const char *data = static_cast<const char *>(given[i].value);
            const std::size_t len = is_null                          ? 0
                                    : given[i].len == HOLDFAST_NUL ? std::strlen(data)
                                                                   : given[i].len;
            params_.push_back({keep(data, len), len, is_null, given[i].type_oid, given[i].format});
        }
        requests_.push_back(std::move(added));
        return requests_.size() - 1;
    }

    std::string kept_;
    std::vector<param> params_;
    std::vector<request> requests_;
};

} // namespace holdfast

#endif // HOLDFAST_STATEMENTS_PIPELINE_HPP
