// Part of holdfast.hpp: COPY.
#ifndef HOLDFAST_STATEMENTS_COPY_HPP
#define HOLDFAST_STATEMENTS_COPY_HPP

#include <holdfast.h>

#include "../detail/call.hpp"
#include "../detail/handle.hpp"
#include "../results/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

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

    holdfast_copy_in *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_copy_in, holdfast_copy_in_free> it_;
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

} // namespace holdfast

#endif // HOLDFAST_STATEMENTS_COPY_HPP
