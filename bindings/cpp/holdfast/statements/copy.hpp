// Part of holdfast.hpp: COPY.
#ifndef HOLDFAST_STATEMENTS_COPY_HPP
#define HOLDFAST_STATEMENTS_COPY_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/found.hpp"
#include "../detail/handle.hpp"
#include "../detail/target.hpp"
#include "../queues/submit_options.hpp"
#include "../results/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace holdfast {

/// A COPY ... FROM STDIN. Unless finish() returned, nothing of it stays. The connection takes no other calls meanwhile.
class copy_in {
public:
    copy_in() = default;
    /// Takes the handle over.
    explicit copy_in(holdfast_copy_in *it) noexcept : it_(it) {}

    /// Hands over data in the format that the statement named, cut wherever the program likes.
    void write(std::string_view data) { write(bytes(static_cast<const void *>(data.data()), data.size())); }
    void write(bytes data)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_copy_in_write(it_.get(), data.data(), data.size(), about);
        });
    }
    /// Ends the data; returns the number of rows copied.
    std::uint64_t finish()
    {
        std::uint64_t rows = 0;
        detail::call([&](holdfast_error **about) { return holdfast_copy_in_finish(it_.get(), &rows, about); });
        return rows;
    }
    /// Gives it up; the server logs the reason.
    void abort(std::string_view reason)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_copy_in_abort(it_.get(), reason.data(), reason.size(), about);
        });
    }

    /// Submits data, which are copied. A std::future<void> that becomes ready when the library has taken them in, or nothing if
    /// `to` is queue.then(...): a program that keeps few of them under way is held back with the server.
    template <class Target, detail::if_target<Target> = 0>
    auto submit_write(Target &&to, std::string_view data, const submit_options &options = {})
    {
        return submit_write(std::forward<Target>(to), bytes(static_cast<const void *>(data.data()), data.size()), options);
    }
    template <class Target, detail::if_target<Target> = 0>
    auto submit_write(Target &&to, bytes data, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_copy_in_write(it_.get(), queue, tag, &how, data.data(), data.size(),
                                                     options.request, about);
            });
    }
    /// Submits the end of the data. A std::future<std::uint64_t>, the number of rows, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_finish(Target &&to, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<std::uint64_t>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_copy_in_finish(it_.get(), queue, tag, &how, options.request, about);
            });
    }
    /// Submits the giving up. A std::future<void>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_abort(Target &&to, std::string_view reason, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<void>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_copy_in_abort(it_.get(), queue, tag, &how, reason.data(), reason.size(),
                                                     options.request, about);
            });
    }

    holdfast_copy_in *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_copy_in, holdfast_copy_in_free> it_;
};

/// Data of a COPY ... TO STDOUT that were submitted for: whole rows, newlines included, in text and CSV format.
class chunk {
public:
    chunk() = default;
    /// Takes the handle over.
    explicit chunk(holdfast_chunk *it) noexcept : it_(it) {}

    /// The data. Belong to the chunk; of size 0 for the empty chunk at the end.
    bytes data() const noexcept
    {
        const holdfast_cell cell = holdfast_chunk_data(it_.get());
        return {static_cast<const void *>(cell.ptr), cell.len};
    }
    std::string_view text() const noexcept { return data().text(); }
    explicit operator bool() const noexcept { return it_ != nullptr; }
    const holdfast_chunk *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_chunk, holdfast_chunk_free> it_;
};

/// A COPY ... TO STDOUT.
///
///     for (std::string_view piece : connection.copy_out("copy item to stdout")) { file << piece; }
///
/// The connection takes no other calls until it has ended or is gone.
class copy_out {
public:
    copy_out() = default;
    /// Takes the handle over.
    explicit copy_out(holdfast_copy_out *it) noexcept : it_(it) {}

    /// The next piece of data: one row, its newline included, in text and CSV format; nothing at the end. Valid until the
    /// next call.
    std::optional<bytes> read()
    {
        holdfast_cell data{};
        detail::call([&](holdfast_error **about) { return holdfast_copy_out_read(it_.get(), &data, about); });
        return data.ptr != nullptr ? std::optional(bytes(static_cast<const void *>(data.ptr), data.len)) : std::nullopt;
    }
    /// Submits for data: whole rows, gathered until they are that many bytes or the end has come. A std::future<chunk>, empty at
    /// the end, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_read(Target &&to, std::size_t least_bytes = 65536, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<chunk>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_copy_out_read(it_.get(), queue, tag, &how, least_bytes, options.request, about);
            });
    }
    /// The number of rows, once the end was read.
    std::uint64_t rows() const noexcept { return holdfast_copy_out_rows(it_.get()); }

    struct sentinel {};
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = std::string_view;

        explicit iterator(copy_out &of) : of_(&of), piece_(of.read()) {}
        std::string_view operator*() const noexcept { return piece_->text(); }
        iterator &operator++()
        {
            piece_ = of_->read();
            return *this;
        }
        friend bool operator==(const iterator &it, sentinel) noexcept { return !it.piece_; }
        friend bool operator!=(const iterator &it, sentinel) noexcept { return it.piece_.has_value(); }

    private:
        copy_out *of_;
        std::optional<bytes> piece_;
    };
    /// Begins where the copy stands.
    iterator begin() { return iterator(*this); }
    sentinel end() const noexcept { return {}; }

    holdfast_copy_out *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_copy_out, holdfast_copy_out_free> it_;
};

namespace detail {

template <>
struct found<copy_in> {
    static copy_in in(const holdfast_completion &done) noexcept { return copy_in(done.copy_in); }
};
template <>
struct found<copy_out> {
    static copy_out in(const holdfast_completion &done) noexcept { return copy_out(done.copy_out); }
};
template <>
struct found<chunk> {
    static chunk in(const holdfast_completion &done) noexcept { return chunk(done.chunk); }
};
/// The number of rows of a COPY.
template <>
struct found<std::uint64_t> {
    static std::uint64_t in(const holdfast_completion &done) noexcept { return done.rows; }
};

} // namespace detail

} // namespace holdfast

#endif // HOLDFAST_STATEMENTS_COPY_HPP
