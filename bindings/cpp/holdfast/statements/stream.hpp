// Part of holdfast.hpp: rows in portions.
#ifndef HOLDFAST_STATEMENTS_STREAM_HPP
#define HOLDFAST_STATEMENTS_STREAM_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/found.hpp"
#include "../detail/handle.hpp"
#include "../detail/native.hpp"
#include "../detail/target.hpp"
#include "../queues/submit_options.hpp"
#include "../results/column.hpp"
#include "../results/result.hpp"
#include "../results/row.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

/// Rows in portions, for results larger than memory; the server is held back while the program asks for no more.
///
///     for (auto row : connection.stream("select id, name from item")) { ... }
///
/// A stream goes with the connection it was opened on, which takes no other calls until the stream has ended or is
/// gone. One that goes before its end has the rest cancelled before the connection's next statement; an open
/// transaction fails by that.
class stream {
public:
    stream() = default;
    /// Takes the handle over.
    explicit stream(holdfast_stream *it) noexcept : it_(it) {}

    /// The next rows: at least one, and at most that many; an empty result (of size 0) at the end.
    result next(std::size_t most_rows)
    {
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_stream_next(it_.get(), most_rows, made, about);
        }));
    }

    /// Submits for the next rows. A std::future<result>, empty at the end, or nothing if `to` is queue.then(...); with
    /// submit_next<pack> they come packed. Nothing more is read from the server than what was submitted for.
    template <class T = result, class Target, detail::if_target<Target> = 0>
    auto submit_next(Target &&to, std::size_t most_rows, const submit_options &options = {})
    {
        const auto how = options.native_as<T>();
        return detail::deliver<T>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_stream_next(it_.get(), queue, tag, &how, most_rows, options.request, about);
            });
    }

    struct sentinel {};

    /// Goes through all rows. A row is valid until the next one is asked for.
    class row_iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = row;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = row;

        row_iterator(stream &of, std::size_t portion) : of_(&of), most_(portion) { take(); }
        row operator*() const noexcept { return portion_[at_]; }
        row_iterator &operator++()
        {
            if (++at_ == portion_.size()) {
                take();
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const row_iterator &it, sentinel) noexcept { return it.portion_.empty(); }
        friend bool operator!=(const row_iterator &it, sentinel) noexcept { return !it.portion_.empty(); }

    private:
        void take()
        {
            // The old portion goes first, so that there is only one in memory.
            portion_ = result();
            portion_ = of_->next(most_);
            at_ = 0;
        }

        stream *of_;
        std::size_t most_, at_ = 0;
        result portion_;
    };

    /// As many rows are asked for at a time by range-for over the stream itself.
    static constexpr std::size_t usual_portion = 1000;

    /// Begins where the stream stands. Blocks for the first portion, as each ++ does that needs another.
    row_iterator begin() { return {*this, usual_portion}; }
    sentinel end() const noexcept { return {}; }

    /// Goes through all portions; the caller owns each.
    class portion_range {
    public:
        class iterator {
        public:
            using iterator_category = std::input_iterator_tag;
            using value_type = result;
            using difference_type = std::ptrdiff_t;
            using pointer = result *;
            using reference = result &;

            iterator(stream &of, std::size_t most) : of_(&of), most_(most), portion_(of.next(most)) {}
            result &operator*() const noexcept { return portion_; }
            result *operator->() const noexcept { return &portion_; }
            iterator &operator++()
            {
                portion_ = result();
                portion_ = of_->next(most_);
                return *this;
            }
            void operator++(int) { ++*this; }
            friend bool operator==(const iterator &it, sentinel) noexcept { return !it.portion_; }
            friend bool operator!=(const iterator &it, sentinel) noexcept { return static_cast<bool>(it.portion_); }

        private:
            stream *of_;
            std::size_t most_;
            // The caller may take it, whichever way it holds the iterator.
            mutable result portion_;
        };

        portion_range(stream &of, std::size_t most) noexcept : of_(&of), most_(most) {}
        iterator begin() const { return {*of_, most_}; }
        sentinel end() const noexcept { return {}; }

    private:
        stream *of_;
        std::size_t most_;
    };

    /// for (auto &portion : stream.portions(5000)) { ... }: results of at most that many rows.
    portion_range portions(std::size_t most_rows) noexcept { return {*this, most_rows}; }

    /// The number of columns.
    std::size_t columns() const noexcept { return holdfast_stream_columns(it_.get()); }
    /// The description of a column; status::argument if there is none of that index.
    holdfast::column column(std::size_t index) const
    {
        auto it = detail::sized<holdfast_column>();
        if (!holdfast_stream_column(it_.get(), index, &it)) {
            detail::no_column(std::to_string(index));
        }
        return detail::described(it);
    }
    /// The server's command tag, once the end was read: "SELECT 1000000"; empty before.
    std::string_view command_tag() const noexcept { return detail::view(holdfast_stream_command_tag(it_.get())); }

    holdfast_stream *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_stream, holdfast_stream_free> it_;
};

namespace detail {

template <>
struct found<stream> {
    static stream in(const holdfast_completion &done) noexcept { return stream(done.stream); }
};

} // namespace detail

} // namespace holdfast

#endif // HOLDFAST_STATEMENTS_STREAM_HPP
