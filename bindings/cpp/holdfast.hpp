// Holdfast for C++17 and later: a header-only layer over holdfast.h.
//
//     #include <holdfast.hpp>
//
//     holdfast::pool pool("postgresql://app@db/orders");                      // opens no connection yet
//
//     for (auto row : pool.query("select id, name from item where price < $1", 10)) {
//         auto [id, name] = row.as<int, std::string_view>();
//         ...
//     }
//
//     pool.transaction([&](holdfast::connection_ref& connection) {            // run again when it conflicts with others
//         connection.query("update stock set n = n - 1 where item = $1", 7);
//         connection.query("insert into sale (item) values ($1)", 7);
//     });
//
// What holds everywhere
//
// - What fails throws holdfast::error, and nothing else but std::bad_alloc; destructors never throw. What a function waits
//   for, for how long at most, and which failures it has, is said in holdfast.h: each function here is the one of the same
//   name there, and blocks exactly as that does.
// - Handles (pool, connection, result, ...) can be moved, not copied, and free what they hold when they go. They may go in
//   any order: what another one still needs lives on. One that was moved from, or made without arguments, is empty: calls
//   that can fail then throw an error with status::null, the others answer 0, false or an empty text. clone() makes a
//   further handle of the same object. native() gives the handle for functions of holdfast.h.
// - const member functions may be called by any number of threads at once. All others are for one thread at a time, any
//   thread; a second one gets an error with status::busy.
// - Texts come out as std::string_view into the object that was asked, without copying. They are valid for as long as that,
//   UTF-8, and followed by a NUL.
// - It costs what the calls in C cost. Handles are one pointer wide, and running a statement with parameters and reading its
//   result allocates nothing on this side of the library. Exceptions: what says so in its comment, and errors.
// - No exception ever passes through the library. What functions given to it throw is caught on the way in and, where
//   there is somebody to throw it to, thrown again on the way out, unchanged.
// - It needs libholdfast (pkg-config holdfast, or find_package(holdfast) and holdfast::cpp), whose ABI is that of C. Nothing
//   of this file is part of that ABI, so compilers and versions of C++ may be mixed.

#ifndef HOLDFAST_HPP
#define HOLDFAST_HPP

#include <holdfast.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <future>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace holdfast {

// ==== Errors ==================================================================================================

/// Why a call failed; the HOLDFAST_STATUS_ constants, where each is explained. Later versions may add some.
enum class status : std::int32_t {
    ok = HOLDFAST_STATUS_OK,
    config = HOLDFAST_STATUS_CONFIG,
    resolve = HOLDFAST_STATUS_RESOLVE,
    refused = HOLDFAST_STATUS_REFUSED,
    unreachable = HOLDFAST_STATUS_UNREACHABLE,
    tls = HOLDFAST_STATUS_TLS,
    auth = HOLDFAST_STATUS_AUTH,
    server_full = HOLDFAST_STATUS_SERVER_FULL,
    server_starting = HOLDFAST_STATUS_SERVER_STARTING,
    connect_timeout = HOLDFAST_STATUS_CONNECT_TIMEOUT,
    pool_timeout = HOLDFAST_STATUS_POOL_TIMEOUT,
    circuit_open = HOLDFAST_STATUS_CIRCUIT_OPEN,
    pool_closed = HOLDFAST_STATUS_POOL_CLOSED,
    connection_lost = HOLDFAST_STATUS_CONNECTION_LOST,
    query_timeout = HOLDFAST_STATUS_QUERY_TIMEOUT,
    canceled = HOLDFAST_STATUS_CANCELED,
    commit_unknown = HOLDFAST_STATUS_COMMIT_UNKNOWN,
    database = HOLDFAST_STATUS_DATABASE,
    misuse = HOLDFAST_STATUS_MISUSE,
    null = HOLDFAST_STATUS_NULL,
    utf8 = HOLDFAST_STATUS_UTF8,
    argument = HOLDFAST_STATUS_ARGUMENT,
    busy = HOLDFAST_STATUS_BUSY,
    type = HOLDFAST_STATUS_TYPE,
    is_null = HOLDFAST_STATUS_IS_NULL,
    panic = HOLDFAST_STATUS_PANIC,
    rolled_back = HOLDFAST_STATUS_ROLLED_BACK,
    queue_full = HOLDFAST_STATUS_QUEUE_FULL,
    reentrant = HOLDFAST_STATUS_REENTRANT,
};

/// One field of what the server said in an error or a notice; the HOLDFAST_FIELD_ constants.
enum class field : std::int32_t {
    severity = HOLDFAST_FIELD_SEVERITY,
    sqlstate = HOLDFAST_FIELD_SQLSTATE,
    message = HOLDFAST_FIELD_MESSAGE,
    detail = HOLDFAST_FIELD_DETAIL,
    hint = HOLDFAST_FIELD_HINT,
    position = HOLDFAST_FIELD_POSITION,
    internal_position = HOLDFAST_FIELD_INTERNAL_POSITION,
    internal_query = HOLDFAST_FIELD_INTERNAL_QUERY,
    context = HOLDFAST_FIELD_CONTEXT,
    schema = HOLDFAST_FIELD_SCHEMA,
    table = HOLDFAST_FIELD_TABLE,
    column = HOLDFAST_FIELD_COLUMN,
    data_type = HOLDFAST_FIELD_DATA_TYPE,
    constraint = HOLDFAST_FIELD_CONSTRAINT,
    file = HOLDFAST_FIELD_FILE,
    line = HOLDFAST_FIELD_LINE,
    routine = HOLDFAST_FIELD_ROUTINE,
};

/// How a pool stood when a call failed; its fields are explained in holdfast.h.
using snapshot = ::holdfast_snapshot;
/// How a pool stands and what it has done; its fields are explained in holdfast.h.
using stats = ::holdfast_stats;
/// What closing a pool took; its fields are explained in holdfast.h.
using close_report = ::holdfast_close_report;

/// One failed try at opening a connection. The texts belong to the error.
struct attempt {
    /// What kind of failure ended it.
    holdfast::status status;
    /// The step in which it ended, as error::phase().
    std::string_view phase;
    /// What the server answered; empty if it did not.
    std::string_view sqlstate;
    /// The cause in words.
    std::string_view cause;
    /// The server it was made at, as host:port or a socket path.
    std::string_view target;
    /// How long it took.
    std::chrono::microseconds took;
    /// How long was waited before the next one; 0 after the last.
    std::chrono::microseconds backoff;
    /// How long ago it ended, seen from now.
    std::chrono::microseconds age;
};

namespace detail {

/// Frees a handle of the library; as the deleter of a std::unique_ptr it takes no room.
template <auto Free>
struct frees {
    template <class T>
    void operator()(T *it) const noexcept
    {
        Free(it);
    }
};

template <class T, auto Free>
using owned = std::unique_ptr<T, frees<Free>>;

inline std::string_view view(holdfast_str text) noexcept { return {text.ptr, text.len}; }

/// A growing struct of the library, ready to be filled.
template <class T>
T sized() noexcept
{
    T it{};
    it.struct_size = static_cast<std::uint32_t>(sizeof it);
    return it;
}

inline std::chrono::microseconds microseconds(std::uint64_t count) noexcept
{
    return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(count));
}

/// A limit as the library takes it, where 0 would mean that there is none: what is over already gets the shortest.
inline std::uint64_t limit(std::chrono::milliseconds time) noexcept
{
    return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 1;
}

inline std::uint64_t limit(const std::optional<std::chrono::milliseconds> &time) noexcept
{
    return time ? limit(*time) : 0;
}

/// How long to wait, where 0 means not at all.
inline std::uint64_t wait(std::chrono::milliseconds time) noexcept
{
    return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

/// How often to repeat, as the library takes it.
inline std::int32_t repeats(const std::optional<unsigned> &times) noexcept
{
    constexpr unsigned most = std::numeric_limits<std::int32_t>::max();
    if (!times) {
        return 0;
    }
    return *times == 0 ? HOLDFAST_NO_RETRY : static_cast<std::int32_t>(*times < most ? *times : most);
}

template <class>
inline constexpr bool never = false;

} // namespace detail

/// What went wrong, told so that a person can act on it and a program can decide on it. what() is everything in one line.
/// Copies share what the library said, cost no memory, and keep the texts valid. Any thread.
class error : public std::runtime_error {
public:
    /// An error of the library; takes `about` over, which may be NULL.
    error(holdfast_status status, detail::owned<holdfast_error, holdfast_error_free> about)
        : error(static_cast<holdfast::status>(status), std::shared_ptr<const holdfast_error>(std::move(about)))
    {
    }

    /// The same of an error that something else keeps alive.
    error(holdfast::status status, std::shared_ptr<const holdfast_error> about)
        : std::runtime_error(about ? holdfast_error_message(about.get()).ptr
                                   : holdfast_status_name(static_cast<holdfast_status>(status)).ptr),
          about_(std::move(about)), status_(status)
    {
    }

    /// An error of the program's own, or one found in this header.
    error(holdfast::status status, const std::string &what) : std::runtime_error(what), status_(status) {}

    /// What a program branches on.
    holdfast::status status() const noexcept { return status_; }
    /// The name of the status in snake case, such as "server_full". Static.
    std::string_view kind() const noexcept
    {
        return detail::view(holdfast_status_name(static_cast<holdfast_status>(status_)));
    }
    /// The step in which it happened: "connect", "query", "commit" and so on; empty where there is none.
    std::string_view phase() const noexcept { return detail::view(holdfast_error_phase(about_.get())); }
    /// Whether trying the same again is safe and may succeed: it provably had no effect, and the cause is one that passes.
    bool retryable() const noexcept { return holdfast_error_is_retryable(about_.get()); }
    /// How long the failed call took, queueing and backoff included; 0 if it was not measured.
    std::chrono::microseconds elapsed() const noexcept
    {
        return detail::microseconds(holdfast_error_elapsed_us(about_.get()));
    }
    /// The server concerned, as host:port or a socket path; empty if there is none.
    std::string_view target() const noexcept { return detail::view(holdfast_error_target(about_.get())); }

    /// What the server said, field by field; empty for what it did not say, and if it did not answer.
    std::string_view field(holdfast::field which) const noexcept
    {
        return detail::view(holdfast_error_field(about_.get(), static_cast<std::int32_t>(which)));
    }
    /// The five characters of the SQLSTATE.
    std::string_view sqlstate() const noexcept { return detail::view(holdfast_error_sqlstate(about_.get())); }
    /// "ERROR", "FATAL" or "PANIC".
    std::string_view severity() const noexcept { return field(holdfast::field::severity); }
    /// The server's message, without all that what() adds.
    std::string_view message() const noexcept { return field(holdfast::field::message); }
    std::string_view detail() const noexcept { return field(holdfast::field::detail); }
    std::string_view hint() const noexcept { return field(holdfast::field::hint); }
    /// Where in the statement, as a decimal number of characters from 1.
    std::string_view position() const noexcept { return field(holdfast::field::position); }
    std::string_view context() const noexcept { return field(holdfast::field::context); }
    std::string_view schema() const noexcept { return field(holdfast::field::schema); }
    std::string_view table() const noexcept { return field(holdfast::field::table); }
    std::string_view column() const noexcept { return field(holdfast::field::column); }
    std::string_view data_type() const noexcept { return field(holdfast::field::data_type); }
    std::string_view constraint() const noexcept { return field(holdfast::field::constraint); }

    /// The failed tries at opening a connection, oldest first; the texts belong to this error and its copies. Allocates.
    std::vector<attempt> attempts() const
    {
        std::vector<attempt> all;
        auto one = detail::sized<holdfast_attempt>();
        for (std::size_t i = 0; holdfast_error_attempt(about_.get(), i, &one); i++) {
            all.push_back({static_cast<holdfast::status>(one.status), detail::view(one.phase),
                           detail::view(one.sqlstate), detail::view(one.cause), detail::view(one.target),
                           detail::microseconds(one.took_us), detail::microseconds(one.backoff_us),
                           detail::microseconds(one.age_us)});
        }
        return all;
    }

    /// How the pool stood when the call failed; nothing if no pool was concerned.
    std::optional<holdfast::snapshot> snapshot() const noexcept
    {
        auto taken = detail::sized<holdfast::snapshot>();
        return holdfast_error_snapshot(about_.get(), &taken) ? std::optional(taken) : std::nullopt;
    }

    /// For functions of holdfast.h; NULL if this error is not one of the library's.
    const holdfast_error *native() const noexcept { return about_.get(); }

private:
    std::shared_ptr<const holdfast_error> about_;
    holdfast::status status_;
};

namespace detail {

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

/// Counts through what is reached by an index.
template <class Item, class Source>
class index_iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Item;

    index_iterator() = default;
    index_iterator(Source source, std::size_t index) noexcept : source_(source), index_(index) {}

    Item operator*() const { return Item(source_, index_); }
    index_iterator &operator++() noexcept
    {
        index_++;
        return *this;
    }
    index_iterator operator++(int) noexcept { return {source_, index_++}; }
    friend bool operator==(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ == b.index_; }
    friend bool operator!=(const index_iterator &a, const index_iterator &b) noexcept { return a.index_ != b.index_; }

private:
    Source source_{};
    std::size_t index_ = 0;
};

/// A number as text, without the heap and without the program's locale.
class digits {
public:
    template <class T>
    explicit digits(T number) noexcept
    {
        // The longest are doubles, of 24 characters.
        len_ = static_cast<std::size_t>(std::to_chars(text_, text_ + sizeof text_, number).ptr - text_);
    }
    const char *data() const noexcept { return text_; }
    std::size_t size() const noexcept { return len_; }
    operator std::string_view() const noexcept { return {text_, len_}; }

private:
    char text_[32];
    std::size_t len_;
};

/// Numbers, by which neither truth values nor characters are meant.
template <class T>
inline constexpr bool is_number =
    std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t>
    && !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t> && !std::is_same_v<T, long double>;

template <class T>
inline constexpr bool is_byte =
    std::is_same_v<std::remove_cv_t<T>, std::byte> || std::is_same_v<std::remove_cv_t<T>, unsigned char>;

template <class T, class = void>
inline constexpr bool is_byte_range = false;
template <class T>
inline constexpr bool is_byte_range<
    T, std::void_t<decltype(std::declval<const T &>().size()), decltype(*std::declval<const T &>().data())>> =
    is_byte<std::remove_reference_t<decltype(*std::declval<const T &>().data())>>;

template <class>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

} // namespace detail

// ==== Parameters ==============================================================================================
//
// What stands for $1, $2 and so on. Integers, floating-point numbers, bool and texts (std::string, std::string_view,
// literals) go as text, whose type the server infers as it does for a literal; bytes go as bytea. std::nullopt, nullptr, an
// empty std::optional and a const char * that is NULL are the NULL of SQL. typed(oid, value) says the type, where the server
// could not infer it or would infer another. A holdfast_param goes as it is.
//
// Nothing is copied but numbers, which become text on the stack: texts and bytes are only read during the call.

/// Bytes that belong to somebody else: as a parameter a bytea, of a result a value as it came.
class bytes {
public:
    constexpr bytes() noexcept = default;
    constexpr bytes(const std::byte *data, std::size_t size) noexcept : data_(data), size_(size) {}
    bytes(const void *data, std::size_t size) noexcept : data_(static_cast<const std::byte *>(data)), size_(size) {}
    /// Of a std::vector, std::array, std::span and so on of std::byte or unsigned char.
    template <class Range, std::enable_if_t<detail::is_byte_range<Range>, int> = 0>
    bytes(const Range &range) noexcept : bytes(static_cast<const void *>(range.data()), range.size())
    {
    }

    constexpr const std::byte *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const std::byte *begin() const noexcept { return data_; }
    constexpr const std::byte *end() const noexcept { return data_ + size_; }
    constexpr const std::byte &operator[](std::size_t index) const noexcept { return data_[index]; }
    /// The same bytes as text.
    std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data_), size_}; }

private:
    const std::byte *data_ = nullptr;
    std::size_t size_ = 0;
};

/// A parameter with its type, as in pg_type: typed(20, "42") is an int8. Holds a reference: make it in the call.
template <class T>
struct typed {
    constexpr typed(std::uint32_t type_oid, const T &it) noexcept : oid(type_oid), value(it) {}
    std::uint32_t oid;
    const T &value;
};

/// How a T becomes a parameter. Programs may specialize it for types of their own: a constructor that takes the value, and
/// get(), whose pointer is valid for as long as the object, which is not moved in between.
template <class T, class = void>
class parameter {
    static_assert(detail::never<T>,
                  "holdfast: not a type that can be a parameter; of char make a std::string_view or an int");
};

template <class T>
class parameter<T, std::enable_if_t<detail::is_number<T>>> {
public:
    explicit parameter(T number) noexcept : text_(number) {}
    holdfast_param get() const noexcept { return {text_.data(), text_.size(), 0, HOLDFAST_FORMAT_TEXT}; }

private:
    detail::digits text_;
};

template <>
class parameter<bool> {
public:
    explicit parameter(bool truth) noexcept : truth_(truth) {}
    holdfast_param get() const noexcept { return {truth_ ? "t" : "f", 1, 0, HOLDFAST_FORMAT_TEXT}; }

private:
    bool truth_;
};

template <class T>
class parameter<T, std::enable_if_t<std::is_convertible_v<const T &, std::string_view>
                                    && !std::is_same_v<T, std::nullptr_t>>> {
public:
    explicit parameter(const T &text) noexcept
    {
        if constexpr (std::is_pointer_v<T>) {
            is_null_ = text == nullptr;
            text_ = is_null_ ? std::string_view() : std::string_view(text);
        } else {
            text_ = text;
        }
    }
    holdfast_param get() const noexcept
    {
        // A view of nothing may point nowhere, which would be NULL.
        const char *begin = text_.data() != nullptr ? text_.data() : "";
        return {is_null_ ? nullptr : begin, text_.size(), 0, HOLDFAST_FORMAT_TEXT};
    }

private:
    std::string_view text_;
    bool is_null_ = false;
};

template <class T>
class parameter<T, std::enable_if_t<std::is_same_v<T, bytes> || detail::is_byte_range<T>>> {
public:
    explicit parameter(const T &range) noexcept : bytes_(range) {}
    holdfast_param get() const noexcept
    {
        constexpr std::uint32_t bytea = 17;
        const void *begin = bytes_.data();
        return {begin != nullptr ? begin : "", bytes_.size(), bytea, HOLDFAST_FORMAT_BINARY};
    }

private:
    bytes bytes_;
};

template <class T>
class parameter<T, std::enable_if_t<std::is_same_v<T, std::nullopt_t> || std::is_same_v<T, std::nullptr_t>>> {
public:
    explicit parameter(T) noexcept {}
    holdfast_param get() const noexcept { return {nullptr, 0, 0, HOLDFAST_FORMAT_TEXT}; }
};

template <class T>
class parameter<std::optional<T>> {
public:
    explicit parameter(const std::optional<T> &value)
    {
        if (value) {
            inner_.emplace(*value);
        }
    }
    holdfast_param get() const noexcept
    {
        return inner_ ? inner_->get() : holdfast_param{nullptr, 0, 0, HOLDFAST_FORMAT_TEXT};
    }

private:
    std::optional<parameter<T>> inner_;
};

template <class T>
class parameter<typed<T>> {
public:
    explicit parameter(const typed<T> &it) : oid_(it.oid), inner_(it.value) {}
    holdfast_param get() const noexcept
    {
        holdfast_param param = inner_.get();
        param.type_oid = oid_;
        return param;
    }

private:
    std::uint32_t oid_;
    parameter<std::decay_t<const T &>> inner_;
};

template <>
class parameter<holdfast_param> {
public:
    explicit parameter(const holdfast_param &param) noexcept : param_(param) {}
    holdfast_param get() const noexcept { return param_; }

private:
    holdfast_param param_;
};

namespace detail {

/// The parameters of one call, on the stack.
template <class... Args>
class arguments {
public:
    explicit arguments(const Args &...args)
        : kept_(args...), params_(std::apply(
                              [](const auto &...each) {
                                  return std::array<holdfast_param, sizeof...(Args)>{each.get()...};
                              },
                              kept_))
    {
    }
    arguments(const arguments &) = delete;
    arguments &operator=(const arguments &) = delete;

    const holdfast_param *data() const noexcept { return params_.data(); }
    static constexpr std::size_t size() noexcept { return sizeof...(Args); }

private:
    std::tuple<parameter<std::decay_t<const Args &>>...> kept_;
    std::array<holdfast_param, sizeof...(Args)> params_;
};

} // namespace detail

// ==== Results =================================================================================================

/// How values come; the HOLDFAST_FORMAT_ constants.
enum class format : std::int32_t {
    text = HOLDFAST_FORMAT_TEXT,
    binary = HOLDFAST_FORMAT_BINARY,
    /// Binary where that is cheaper to read, text for all else: what is asked for unless a call says otherwise.
    automatic = HOLDFAST_FORMAT_AUTOMATIC,
};

/// One column. The name belongs to the object that was asked.
struct column {
    std::string_view name;
    /// Its type, as in pg_type.
    std::uint32_t type_oid;
    /// The length of values of this type; negative if it varies.
    std::int32_t type_size;
    /// What varchar(n) and the like add to the type, as in pg_attribute.atttypmod; -1 for nothing.
    std::int32_t type_modifier;
    /// The table it comes from; 0 if it is no table's.
    std::uint32_t table_oid;
    /// Its number in that table, from 1; 0 if it is no table's.
    std::int32_t column_number;
    /// How its values came.
    holdfast::format format;
};

namespace detail {

inline column described(const holdfast_column &it) noexcept
{
    return {view(it.name), it.type_oid,      it.type_size,
            it.type_modifier, it.table_oid, it.column_number, static_cast<format>(it.format)};
}

[[noreturn]] inline void no_column(const std::string &which)
{
    throw error(status::argument, "there is no column " + which);
}

/// What is read without copying.
template <class T>
inline constexpr bool is_view = std::is_same_v<T, std::string_view> || std::is_same_v<T, bytes>;
template <class T>
inline constexpr bool is_view<std::optional<T>> = is_view<T>;

/// Where a row is.
struct row_place {
    const holdfast_result *result;
    std::size_t index;
};

} // namespace detail

/// How a value is read as a T. Programs may specialize it for types of their own: static T read(const value &).
template <class T, class = void>
struct reader {
    static_assert(detail::never<T>, "holdfast: not a type that values can be read as");
};

/// One value of a result: a place in it, valid for as long as the result.
class value {
public:
    value(const holdfast_result *result, std::size_t row, std::size_t column) noexcept
        : result_(result), row_(row), column_(column)
    {
    }
    value(detail::row_place row, std::size_t column) noexcept : value(row.result, row.index, column) {}

    /// Whether it is the NULL of SQL; true where there is no such row or column.
    bool is_null() const noexcept { return holdfast_result_is_null(result_, row_, column_); }

    /// The value as an integer, double, float, bool, std::string_view, std::string, bytes, std::vector<std::byte>, or as a
    /// std::optional of those, which is what NULL needs. Integers and floating-point numbers are read from any text that is
    /// one as well, and every value whose text the library can tell can be read as text, as the server prints it. bytes and
    /// std::vector<std::byte> are for bytea; only the latter can be read of a column that came as text, and both copies
    /// and std::string allocate. status::type if it cannot be read as that, or does not fit; status::is_null;
    /// status::argument beyond the edges.
    template <class T>
    T as() const
    {
        return reader<T>::read(*this);
    }

    /// The same, with something else in place of NULL.
    template <class T>
    T value_or(T otherwise) const
    {
        return is_null() ? std::move(otherwise) : as<T>();
    }

    /// The value as it came, in the format of its column; data() is nullptr for NULL.
    bytes raw() const noexcept
    {
        const holdfast_cell cell = holdfast_result_cell(result_, row_, column_);
        return {static_cast<const void *>(cell.ptr), cell.len};
    }

    /// How it came.
    holdfast::format format() const noexcept
    {
        auto column = detail::sized<holdfast_column>();
        holdfast_result_column(result_, column_, &column);
        return static_cast<holdfast::format>(column.format);
    }

    const holdfast_result *result() const noexcept { return result_; }
    std::size_t row() const noexcept { return row_; }
    std::size_t column() const noexcept { return column_; }

private:
    const holdfast_result *result_;
    std::size_t row_, column_;
};

namespace detail {

template <class T, class Read>
T read(const value &from, Read function)
{
    T it{};
    call([&](holdfast_error **about) { return function(from.result(), from.row(), from.column(), &it, about); });
    return it;
}

} // namespace detail

template <class T>
struct reader<T, std::enable_if_t<detail::is_number<T> && std::is_integral_v<T>>> {
    static T read(const value &from)
    {
        const auto number = detail::read<std::int64_t>(from, holdfast_result_i64);
        const T it = static_cast<T>(number);
        if (static_cast<std::int64_t>(it) != number || (number < 0) != (it < T{})) {
            throw error(status::type, "a number does not fit the integer it is read as: "
                                          + std::string(std::string_view(detail::digits(number))));
        }
        return it;
    }
};

template <class T>
struct reader<T, std::enable_if_t<std::is_floating_point_v<T>>> {
    static T read(const value &from) { return static_cast<T>(detail::read<double>(from, holdfast_result_f64)); }
};

template <>
struct reader<bool> {
    static bool read(const value &from) { return detail::read<bool>(from, holdfast_result_bool); }
};

template <>
struct reader<std::string_view> {
    static std::string_view read(const value &from)
    {
        return detail::view(detail::read<holdfast_str>(from, holdfast_result_text));
    }
};

template <>
struct reader<std::string> {
    static std::string read(const value &from) { return std::string(reader<std::string_view>::read(from)); }
};

template <class T>
struct reader<std::optional<T>> {
    static std::optional<T> read(const value &from)
    {
        if (from.is_null()) {
            return std::nullopt;
        }
        return reader<T>::read(from);
    }
};

template <>
struct reader<bytes> {
    static bytes read(const value &from)
    {
        if (from.is_null()) {
            // Throws what tells NULL from a place that does not exist.
            reader<std::string_view>::read(from);
        }
        if (from.format() != format::binary) {
            throw error(status::type, "the column came as text: ask for it as binary, or read std::vector<std::byte>");
        }
        return from.raw();
    }
};

template <>
struct reader<std::vector<std::byte>> {
    static std::vector<std::byte> read(const value &from)
    {
        if (!from.is_null() && from.format() == format::text) {
            return decoded(from.raw().text());
        }
        const bytes it = reader<bytes>::read(from);
        return {it.begin(), it.end()};
    }

private:
    /// A bytea as the server prints it: \x and two digits a byte.
    static std::vector<std::byte> decoded(std::string_view text)
    {
        const std::size_t count = text.size() / 2 - (text.size() < 2 ? 0 : 1);
        std::vector<std::byte> all;
        all.reserve(count);
        bool good = text.size() >= 2 && text.size() % 2 == 0 && text[0] == '\\' && text[1] == 'x';
        for (std::size_t i = 2; good && i < text.size(); i += 2) {
            unsigned char byte = 0;
            const char *end = text.data() + i + 2;
            good = std::from_chars(text.data() + i, end, byte, 16).ptr == end;
            all.push_back(static_cast<std::byte>(byte));
        }
        if (!good) {
            throw error(status::type, "a value is not a bytea as the server prints it: " + std::string(text.substr(0, 40)));
        }
        return all;
    }
};

/// One row of a result: a place in it, valid for as long as the result.
class row {
public:
    row(const holdfast_result *result, std::size_t index) noexcept : result_(result), index_(index) {}

    /// The value of a column by its number, from 0. Beyond the edges there is nothing to be read.
    value operator[](std::size_t column) const noexcept { return {result_, index_, column}; }

    /// The value of the first column of that name, which is looked for anew each time: result_ref::find_column looks for it
    /// once. status::argument if there is none.
    value operator[](std::string_view name) const;

    /// All values of the row as a tuple, or one value as such:
    ///     auto [id, name, price] = row.as<int, std::string_view, std::optional<double>>();
    /// status::argument if there are not as many columns; else as value::as.
    template <class... Types>
    auto as() const
    {
        static_assert(sizeof...(Types) > 0, "holdfast: say the types to read");
        if (size() != sizeof...(Types)) {
            throw error(status::argument, "the row does not have as many columns as are read from it");
        }
        return all<Types...>(std::index_sequence_for<Types...>());
    }

    /// The number of columns.
    std::size_t size() const noexcept { return holdfast_result_columns(result_); }
    /// Its number in the result, from 0.
    std::size_t index() const noexcept { return index_; }

    using iterator = detail::index_iterator<value, detail::row_place>;
    iterator begin() const noexcept { return {{result_, index_}, 0}; }
    iterator end() const noexcept { return {{result_, index_}, size()}; }

private:
    template <class... Types, std::size_t... Columns>
    auto all(std::index_sequence<Columns...>) const
    {
        if constexpr (sizeof...(Types) == 1) {
            return (*this)[0].template as<Types...>();
        } else {
            return std::tuple<Types...>{(*this)[Columns].template as<Types>()...};
        }
    }

    const holdfast_result *result_;
    std::size_t index_;
};

class pack;
class result;

/// A result that somebody else owns: what std::string_view is to std::string. Never changes; any thread.
class result_ref {
public:
    result_ref() = default;
    result_ref(const holdfast_result *it) noexcept : it_(it) {}
    /// The result of that index of a script.
    result_ref(const holdfast_results *results, std::size_t index) noexcept : it_(holdfast_results_get(results, index)) {}

    /// The number of rows.
    std::size_t size() const noexcept { return holdfast_result_rows(it_); }
    bool empty() const noexcept { return size() == 0; }
    /// The row of this index, from 0. Beyond the last there is nothing to be read.
    holdfast::row operator[](std::size_t row) const noexcept { return {it_, row}; }
    using iterator = detail::index_iterator<holdfast::row, const holdfast_result *>;
    iterator begin() const noexcept { return {it_, 0}; }
    iterator end() const noexcept { return {it_, size()}; }

    /// The only row; status::argument if there is none or more than one.
    holdfast::row one() const
    {
        if (size() != 1) {
            throw error(status::argument, "the result has not one row but " + std::to_string(size()));
        }
        return {it_, 0};
    }
    /// The only row, or nothing if there is none; status::argument if there is more than one.
    std::optional<holdfast::row> one_or_none() const { return empty() ? std::nullopt : std::optional(one()); }

    /// The number of columns; 0 for statements that return no rows.
    std::size_t columns() const noexcept { return holdfast_result_columns(it_); }
    /// The description of a column; status::argument if there is none of that index.
    holdfast::column column(std::size_t index) const
    {
        auto it = detail::sized<holdfast_column>();
        if (!holdfast_result_column(it_, index, &it)) {
            detail::no_column(std::to_string(index));
        }
        return detail::described(it);
    }
    /// The number of the first column of that name.
    std::optional<std::size_t> find_column(std::string_view name) const noexcept
    {
        auto it = detail::sized<holdfast_column>();
        for (std::size_t i = 0; holdfast_result_column(it_, i, &it); i++) {
            if (detail::view(it.name) == name) {
                return i;
            }
        }
        return std::nullopt;
    }

    /// What the server did, in its own words: "SELECT 3", "INSERT 0 1".
    std::string_view command_tag() const noexcept { return detail::view(holdfast_result_command_tag(it_)); }
    /// The number at the end of the command tag: rows changed or returned; 0 for commands that count none.
    std::uint64_t rows_affected() const noexcept { return holdfast_result_rows_affected(it_); }

    /// A further handle, which keeps the result alive; nothing is copied.
    inline result clone() const noexcept;
    /// The whole in one relocatable buffer, for whoever decodes it without this library.
    inline holdfast::pack pack() const;

    explicit operator bool() const noexcept { return it_ != nullptr; }
    const holdfast_result *native() const noexcept { return it_; }

protected:
    const holdfast_result *it_ = nullptr;
};

inline value row::operator[](std::string_view name) const
{
    const auto column = result_ref(result_).find_column(name);
    if (!column) {
        detail::no_column('"' + std::string(name) + '"');
    }
    return {result_, index_, *column};
}

class kept_row;

/// The rows of one statement. Outlives connection and pool.
class result : public result_ref {
public:
    result() = default;
    /// Takes the handle over.
    explicit result(holdfast_result *it) noexcept : result_ref(it) {}
    result(result &&other) noexcept : result_ref(std::exchange(other.it_, nullptr)) {}
    result &operator=(result &&other) noexcept
    {
        std::swap(it_, other.it_);
        return *this;
    }
    ~result() { holdfast_result_free(const_cast<holdfast_result *>(it_)); }

    // A row of a result that is about to go takes that along:
    //     auto row = pool.query("select ...").one();
    holdfast::row operator[](std::size_t row) const & noexcept { return result_ref::operator[](row); }
    inline kept_row operator[](std::size_t row) && noexcept;
    holdfast::row one() const & { return result_ref::one(); }
    inline kept_row one() &&;
    std::optional<holdfast::row> one_or_none() const & { return result_ref::one_or_none(); }
    inline std::optional<kept_row> one_or_none() &&;
};

inline result result_ref::clone() const noexcept { return result(holdfast_result_clone(it_)); }

/// A row and its result in one. What is got from it is valid for as long as it.
class kept_row : private row {
public:
    kept_row(result of, std::size_t index) noexcept : row(of.native(), index), of_(std::move(of)) {}

    using row::begin;
    using row::end;
    using row::index;
    using row::iterator;
    using row::size;
    using row::operator[];

    template <class... Types>
    auto as() const &
    {
        return row::as<Types...>();
    }
    template <class... Types>
    auto as() &&
    {
        static_assert(!(detail::is_view<Types> || ...),
                      "holdfast: the result goes here, and what is viewed with it: keep the row, or read std::string");
        return row::as<Types...>();
    }
    /// The row alone, valid for as long as this.
    const row &view() const & noexcept { return *this; }

private:
    result of_;
};

kept_row result::operator[](std::size_t row) && noexcept { return {std::move(*this), row}; }

kept_row result::one() &&
{
    const std::size_t index = result_ref::one().index();
    return {std::move(*this), index};
}

std::optional<kept_row> result::one_or_none() &&
{
    if (empty()) {
        return std::nullopt;
    }
    return std::move(*this).one();
}

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

/// A whole result in one buffer, column by column; holdfast.h says how it is laid out.
class pack {
public:
    pack() = default;
    /// Takes the handle over.
    explicit pack(holdfast_pack *it) noexcept : it_(it) {}

    /// The buffer, which begins with a holdfast_pack_header. Belongs to the pack.
    bytes data() const noexcept
    {
        const holdfast_cell cell = holdfast_pack_data(it_.get());
        return {static_cast<const void *>(cell.ptr), cell.len};
    }
    const holdfast_pack *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_pack, holdfast_pack_free> it_;
};

inline pack result_ref::pack() const
{
    return holdfast::pack(detail::made<holdfast_pack>(
        [&](holdfast_pack **made, holdfast_error **about) { return holdfast_result_pack(it_, made, about); }));
}

// ==== Statements ==============================================================================================

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

/// Rows in portions, for results larger than memory; the server is held back while nobody asks for more.
///
///     for (auto row : connection.stream("select id, name from item")) { ... }
///
/// It goes with the connection it was opened on, which takes no other calls until the stream has ended or is gone. One that
/// goes before its end has the rest cancelled before the connection's next statement; an open transaction fails by that.
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

    /// Goes through all portions, which belong to whoever takes them.
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
            result &operator*() noexcept { return portion_; }
            result *operator->() noexcept { return &portion_; }
            iterator &operator++()
            {
                portion_ = result();
                portion_ = of_->next(most_);
                return *this;
            }
            friend bool operator==(const iterator &it, sentinel) noexcept { return !it.portion_; }
            friend bool operator!=(const iterator &it, sentinel) noexcept { return static_cast<bool>(it.portion_); }

        private:
            stream *of_;
            std::size_t most_;
            result portion_;
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
    /// What the server did, once the end was read: "SELECT 1000000"; empty before.
    std::string_view command_tag() const noexcept { return detail::view(holdfast_stream_command_tag(it_.get())); }

    holdfast_stream *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_stream, holdfast_stream_free> it_;
};

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

// ==== Pipelines ===============================================================================================

/// What it means when one statement of a pipeline fails; the HOLDFAST_PIPELINE_ constants.
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

namespace detail {

using shared_outcomes = std::shared_ptr<const holdfast_outcomes>;

} // namespace detail

/// What became of one statement of a pipeline.
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

/// What became of the statements of a pipeline, in their order. Allocates once.
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

// ==== Notices, notifications, cancelling ======================================================================

/// What NOTIFY sent.
class notification {
public:
    notification() = default;
    /// Takes the handle over.
    explicit notification(holdfast_notification *it) noexcept : it_(it) {}

    std::string_view channel() const noexcept { return detail::view(holdfast_notification_channel(it_.get())); }
    std::string_view payload() const noexcept { return detail::view(holdfast_notification_payload(it_.get())); }
    /// The process id of the session that sent it.
    std::uint32_t backend_pid() const noexcept { return holdfast_notification_backend_pid(it_.get()); }
    const holdfast_notification *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_notification, holdfast_notification_free> it_;
};

/// One remark of the server. Valid for as long as the notices.
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

/// What the server remarked: WARNING, NOTICE and the like, oldest first.
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

/// With this any thread can cancel what one connection is doing, until that goes back.
class cancel_token {
public:
    cancel_token() = default;
    /// Takes the handle over.
    explicit cancel_token(holdfast_cancel *it) noexcept : it_(it) {}

    /// Asks the server to cancel the statement that the connection runs now, which then fails with status::canceled. Blocks
    /// until the server has taken the request, for at most `timeout` or, without one, 5 s.
    void fire(std::optional<std::chrono::milliseconds> timeout = std::nullopt) const
    {
        const std::uint64_t most = timeout ? detail::limit(*timeout) : HOLDFAST_CONFIGURED;
        detail::call([&](holdfast_error **about) { return holdfast_cancel_fire(it_.get(), most, about); });
    }
    cancel_token clone() const noexcept { return cancel_token(holdfast_cancel_clone(it_.get())); }
    const holdfast_cancel *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_cancel, holdfast_cancel_free> it_;
};

// ==== Options of calls ========================================================================================

/// How a call gets its connection.
struct acquire_options {
    /// Limit of getting one, queueing, opening, retries and the waits between them included; without it each attempt has
    /// its own (connection_timeout).
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    /// How often a failed attempt is repeated; without it as configured (retry_max).
    std::optional<unsigned> retries = std::nullopt;

    holdfast_acquire_options native() const noexcept
    {
        auto it = detail::sized<holdfast_acquire_options>();
        it.retries = detail::repeats(retries);
        it.timeout_ms = detail::limit(timeout);
        return it;
    }
};

/// How a pool runs one statement.
struct query_options {
    /// How it gets a connection.
    acquire_options connection = {};
    /// How values come.
    format results = format::automatic;
};

enum class isolation : std::int32_t {
    /// As the server's default_transaction_isolation.
    standard = HOLDFAST_ISOLATION_DEFAULT,
    read_committed = HOLDFAST_ISOLATION_READ_COMMITTED,
    repeatable_read = HOLDFAST_ISOLATION_REPEATABLE_READ,
    serializable = HOLDFAST_ISOLATION_SERIALIZABLE,
};

enum class access : std::int32_t {
    /// As the server's default_transaction_read_only.
    standard = HOLDFAST_ACCESS_DEFAULT,
    read_write = HOLDFAST_ACCESS_READ_WRITE,
    read_only = HOLDFAST_ACCESS_READ_ONLY,
};

/// How a transaction is to run; without anything, as the server has it and with no limit of time.
struct transaction_options {
    holdfast::isolation isolation = holdfast::isolation::standard;
    holdfast::access access = holdfast::access::standard;
    /// Whether a serializable read-only transaction waits at its beginning until it cannot fail with 40001 any more.
    std::optional<bool> deferrable = std::nullopt;
    /// Limit of the whole, getting connections, reruns and waits included, and deadline of its statements.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    /// How often a run that came to nothing is followed by another; five times without it. pool::transaction only.
    std::optional<unsigned> reruns = std::nullopt;
    /// Whether to find out what became of a commit whose answer was lost, for a further round trip. pool::transaction only.
    bool resolve_commit = false;
    /// How it gets its connections. pool::transaction only.
    acquire_options connection = {};

    holdfast_transaction_options native() const noexcept
    {
        auto it = detail::sized<holdfast_transaction_options>();
        it.isolation = static_cast<std::int32_t>(isolation);
        it.access = static_cast<std::int32_t>(access);
        it.deferrable = !deferrable  ? HOLDFAST_DEFERRABLE_DEFAULT
                        : *deferrable ? HOLDFAST_DEFERRABLE_YES
                                      : HOLDFAST_DEFERRABLE_NO;
        it.reruns = detail::repeats(reruns);
        it.resolve_commit = resolve_commit ? 1 : 0;
        it.timeout_ms = detail::limit(timeout);
        return it;
    }
};

/// How a connection stands with transactions; the HOLDFAST_TRANSACTION_ constants.
enum class transaction_status : std::int32_t {
    idle = HOLDFAST_TRANSACTION_IDLE,
    active = HOLDFAST_TRANSACTION_ACTIVE,
    /// A statement failed: it can only be rolled back, as a whole or to a savepoint.
    failed = HOLDFAST_TRANSACTION_FAILED,
    /// The connection is lost, or a reply is still to come.
    unknown = HOLDFAST_TRANSACTION_UNKNOWN,
};

/// How a submitted request is to be done.
struct submit_options {
    /// How it gets a connection, the timeout counted from the submission. Of no meaning for connections in hand.
    acquire_options connection = {};
    /// Limit for the statement, from when it runs; without it that of the connection (statement_deadline).
    std::optional<std::chrono::milliseconds> deadline = std::nullopt;
    /// How values come.
    format results = format::automatic;
    /// Where to put the number that queue::cancel takes, if it is of interest.
    std::uint64_t *request = nullptr;

    holdfast_submit_options native() const noexcept
    {
        auto it = detail::sized<holdfast_submit_options>();
        it.retries = detail::repeats(connection.retries);
        it.timeout_ms = detail::limit(connection.timeout);
        it.deadline_ms = detail::limit(deadline);
        it.result_format = static_cast<std::int32_t>(results);
        return it;
    }
};

// ==== Submitting ==============================================================================================
//
// For threads that must not wait. submit hands a request over and returns at once; threads of the pool do it. What comes of
// it arrives in one of two ways:
//
//     holdfast::queue queue;
//     std::future<holdfast::result> future = pool.submit(queue, "select count(*) from item");
//     ...
//     auto count = future.get().one().as<std::int64_t>();        // or throws what went wrong
//
//     pool.submit(queue.then([](holdfast::completion<holdfast::result> done) { ... done.get() ... }), "select ...");
//
// Futures become ready by themselves: the thread of the pool that did the request sets them, and nobody has to pump. Event
// loops make the queue with `pumped`, wait for its fd() with all their others, and call pump(), which runs the functions
// given to then() and sets the futures, on the thread that calls it.

/// How a queue is made.
struct queue_options {
    /// How many requests may be accepted and not yet completed; 0 for 1024.
    std::uint32_t capacity = 0;
    /// Whether the program calls pump(). If not, requests are completed on threads of the library.
    bool pumped = false;
};

/// What came of a submitted request.
template <class T>
class completion {
public:
    completion(T value, std::chrono::microseconds queued, std::chrono::microseconds running) noexcept
        : value_(std::move(value)), queued_(queued), running_(running)
    {
    }
    completion(std::shared_ptr<const holdfast::error> failure, std::chrono::microseconds queued,
               std::chrono::microseconds running) noexcept
        : error_(std::move(failure)), queued_(queued), running_(running)
    {
    }

    bool ok() const noexcept { return error_ == nullptr; }
    explicit operator bool() const noexcept { return ok(); }
    /// What the request was for, once; throws the error if it failed.
    T get()
    {
        if (error_) {
            throw holdfast::error(*error_);
        }
        return std::move(value_);
    }
    /// What went wrong, or nullptr. Belongs to the completion.
    const holdfast::error *error() const noexcept { return error_.get(); }
    /// How long it waited for its turn and a connection.
    std::chrono::microseconds queued() const noexcept { return queued_; }
    /// How long it ran.
    std::chrono::microseconds running() const noexcept { return running_; }

private:
    T value_;
    std::shared_ptr<const holdfast::error> error_;
    std::chrono::microseconds queued_, running_;
};

namespace detail {

/// A request that was submitted and is not yet completed. Its address is its tag.
class awaited {
public:
    awaited() = default;
    awaited(const awaited &) = delete;
    awaited &operator=(const awaited &) = delete;
    virtual ~awaited() = default;
    /// Takes over what the completion holds.
    virtual void complete(const holdfast_completion &done) noexcept = 0;

private:
    friend class mailbox;
    awaited *before_ = nullptr, *after_ = nullptr;
};

/// What a queue, its callback and those who submit share.
class mailbox {
public:
    explicit mailbox(holdfast_queue *queue) noexcept : queue_(queue) {}
    mailbox(const mailbox &) = delete;
    mailbox &operator=(const mailbox &) = delete;

    ~mailbox() { close(); }

    /// After this nothing is completed any more. What still waits is let go: its futures have a broken promise.
    void close() noexcept
    {
        holdfast_queue *queue;
        awaited *left;
        {
            const std::lock_guard<std::mutex> hold(lock_);
            queue = std::exchange(queue_, nullptr);
            left = std::exchange(first_, nullptr);
        }
        holdfast_queue_free(queue);
        while (left != nullptr) {
            const std::unique_ptr<awaited> gone(std::exchange(left, left->after_));
        }
    }

    /// Before it is submitted, since it may be completed before that returns.
    void expect(awaited *it) noexcept
    {
        const std::lock_guard<std::mutex> hold(lock_);
        it->after_ = first_;
        if (first_ != nullptr) {
            first_->before_ = it;
        }
        first_ = it;
    }

    /// What was expected, and is not any more.
    std::unique_ptr<awaited> forget(awaited *it) noexcept
    {
        const std::lock_guard<std::mutex> hold(lock_);
        return unlink(it);
    }

    /// Completes what there is to complete, on this thread. Several threads may be at it.
    std::size_t pump() noexcept
    {
        constexpr std::size_t most = 64;
        holdfast_completion done[most];
        std::unique_ptr<awaited> theirs[most];
        std::size_t total = 0, count = most;
        while (count == most) {
            {
                // The queue is not freed meanwhile.
                const std::lock_guard<std::mutex> hold(lock_);
                count = queue_ != nullptr ? holdfast_queue_drain(queue_, done, most, sizeof *done) : 0;
                for (std::size_t i = 0; i < count; i++) {
                    theirs[i] = unlink(reinterpret_cast<awaited *>(static_cast<std::uintptr_t>(done[i].tag)));
                }
            }
            for (std::size_t i = 0; i < count; i++) {
                theirs[i]->complete(done[i]);
                theirs[i].reset();
            }
            total += count;
        }
        return total;
    }

    holdfast_queue *native() const noexcept { return queue_; }

private:
    std::unique_ptr<awaited> unlink(awaited *it) noexcept
    {
        (it->before_ != nullptr ? it->before_->after_ : first_) = it->after_;
        if (it->after_ != nullptr) {
            it->after_->before_ = it->before_;
        }
        return std::unique_ptr<awaited>(it);
    }

    std::mutex lock_;
    holdfast_queue *queue_;
    awaited *first_ = nullptr;
};

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
struct found<pack> {
    static pack in(const holdfast_completion &done) noexcept { return pack(done.pack); }
};

template <class T>
class promised final : public awaited {
public:
    std::future<T> future() { return promise_.get_future(); }

    void complete(const holdfast_completion &done) noexcept override
    {
        try {
            if (done.status != HOLDFAST_STATUS_OK) {
                raise(done.status, done.error);
            }
            promise_.set_value(found<T>::in(done));
        } catch (...) {
            promise_.set_exception(std::current_exception());
        }
    }

private:
    std::promise<T> promise_;
};

template <class T, class Function>
class continued final : public awaited {
public:
    explicit continued(Function function) : function_(std::move(function)) {}

    // noexcept: there is nobody to throw to.
    void complete(const holdfast_completion &done) noexcept override
    {
        const auto queued = microseconds(done.queued_us), running = microseconds(done.running_us);
        if (done.status != HOLDFAST_STATUS_OK) {
            owned<holdfast_error, holdfast_error_free> about(done.error);
            auto failure = std::make_shared<const error>(done.status, std::move(about));
            function_(completion<T>(std::move(failure), queued, running));
        } else {
            function_(completion<T>(found<T>::in(done), queued, running));
        }
    }

private:
    Function function_;
};

} // namespace detail

/// Where submitted requests are completed. Any thread may submit to it and pump it. One queue may serve any number of pools.
/// Requests that are not completed when it goes are dropped, or their results are: their futures have a broken promise, and
/// their functions are not called. It does not wait for them.
class queue {
public:
    explicit queue(const queue_options &options = {})
    {
        auto how = detail::sized<holdfast_queue_options>();
        how.capacity = options.capacity;
        detail::owned<holdfast_queue, holdfast_queue_free> it(detail::made<holdfast_queue>(
            [&](holdfast_queue **made, holdfast_error **about) { return holdfast_queue_new(&how, made, about); }));
        mailbox_ = std::make_shared<detail::mailbox>(it.get());
        it.release();
        if (!options.pumped) {
            auto kept = std::make_unique<std::shared_ptr<detail::mailbox>>(mailbox_);
            detail::call([&](holdfast_error **about) {
                return holdfast_queue_on_ready(native(), ready, kept.get(), forget, about);
            });
            kept.release();
        }
    }
    queue(queue &&) = default;
    queue &operator=(queue &&other) noexcept
    {
        queue(std::move(other)).mailbox_.swap(mailbox_);
        return *this;
    }
    ~queue()
    {
        if (mailbox_) {
            mailbox_->close();
        }
    }

    /// In place of the queue, has a request end in a call of `function`, which takes a completion<T>: completion<result> of
    /// a query, and so on. It is called once, by pump(); or, on a queue that is not pumped, on a thread of the library, where
    /// it should be quick and what would block throws an error with status::reentrant. An exception that leaves it ends the
    /// program, as one that leaves a std::thread does.
    template <class Function>
    struct continuation {
        queue &to;
        Function function;
    };
    template <class Function>
    continuation<std::decay_t<Function>> then(Function &&function)
    {
        return {*this, std::forward<Function>(function)};
    }

    /// Completes what there is to complete, on this thread, and returns how many requests that were. Never blocks.
    std::size_t pump() const noexcept
    {
        // A function that is called may let go of the queue.
        const auto kept = mailbox_;
        return kept ? kept->pump() : 0;
    }
    /// Waits until there is something to pump; false if there is nothing within that time.
    bool wait(std::chrono::milliseconds timeout) const noexcept
    {
        return holdfast_queue_wait(native(), detail::wait(timeout));
    }
    /// A descriptor that is readable while there is something to pump, for poll, epoll and the like. Belongs to the queue.
    int fd() const noexcept { return holdfast_queue_fd(native()); }
    /// How many requests are not completed.
    std::size_t pending() const noexcept { return holdfast_queue_pending(native()); }
    /// Cancels a request, of which submit_options::request got the number. It is completed all the same, mostly with
    /// status::canceled.
    void cancel(std::uint64_t request) const
    {
        detail::call([&](holdfast_error **about) { return holdfast_request_cancel(native(), request, about); });
    }

    const holdfast_queue *native() const noexcept { return mailbox_ ? mailbox_->native() : nullptr; }

    /// What all that is submitted goes through; `submit` takes the queue, the tag and where to put an error.
    template <class T, class Submit>
    std::future<T> deliver(const Submit &submit)
    {
        auto it = std::make_unique<detail::promised<T>>();
        auto future = it->future();
        hand_over(std::move(it), submit);
        return future;
    }
    template <class T, class Function, class Submit>
    void deliver_to(Function &&function, const Submit &submit)
    {
        hand_over(std::make_unique<detail::continued<T, std::decay_t<Function>>>(std::forward<Function>(function)),
                  submit);
    }

private:
    template <class Submit>
    void hand_over(std::unique_ptr<detail::awaited> it, const Submit &submit)
    {
        if (!mailbox_) {
            throw error(status::null, "the queue is empty: it was moved from");
        }
        detail::awaited *expected = it.release();
        mailbox_->expect(expected);
        holdfast_error *about = nullptr;
        const auto tag = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(expected));
        if (const holdfast_status status = submit(native(), tag, &about); status != HOLDFAST_STATUS_OK) {
            mailbox_->forget(expected);
            detail::raise(status, about);
        }
    }

    // Called by the library.
    static void ready(void *user_data) noexcept { (*static_cast<std::shared_ptr<detail::mailbox> *>(user_data))->pump(); }
    static void forget(void *user_data) noexcept { delete static_cast<std::shared_ptr<detail::mailbox> *>(user_data); }

    std::shared_ptr<detail::mailbox> mailbox_;
};

namespace detail {

/// A queue gets a future, a continuation of one its function called.
template <class T, class Submit>
std::future<T> deliver(queue &to, const Submit &submit)
{
    return to.deliver<T>(submit);
}
template <class T, class Function, class Submit>
void deliver(queue::continuation<Function> &&then, const Submit &submit)
{
    then.to.template deliver_to<T>(std::move(then.function), submit);
}

template <class>
inline constexpr bool is_target = false;
template <>
inline constexpr bool is_target<queue> = true;
template <class Function>
inline constexpr bool is_target<queue::continuation<Function>> = true;

template <class Target>
using if_target = std::enable_if_t<is_target<std::decay_t<Target>>, int>;

} // namespace detail

// ==== Connections =============================================================================================

/// A connection that somebody else holds: what std::string_view is to std::string. Functions that use a connection without
/// keeping it take this, by value or by reference, and get a connection as well as that of a transaction.
class connection_ref {
public:
    connection_ref() = default;
    connection_ref(holdfast_connection *it) noexcept : it_(it) {}

    /// Runs one statement. It is prepared at first use and kept with the connection, unless statement_cache is 0.
    template <class... Args>
    result query(std::string_view sql, const Args &...args)
    {
        return query(format::automatic, sql, args...);
    }
    template <class... Args>
    result query(format results, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_connection_query(it_, sql.data(), sql.size(), given.data(), given.size(),
                                             static_cast<std::int32_t>(results), made, about);
        }));
    }

    /// Has the server parse and describe one statement. Types of parameters, as in pg_type, may be given; 0 is inferred.
    statement prepare(std::string_view sql, std::initializer_list<std::uint32_t> types = {})
    {
        return statement(detail::made<holdfast_statement>([&](holdfast_statement **made, holdfast_error **about) {
            return holdfast_connection_prepare(it_, sql.data(), sql.size(), types.begin(), types.size(), made, about);
        }));
    }
    /// Runs a prepared statement.
    template <class... Args>
    result execute(const statement &prepared, const Args &...args)
    {
        return execute(format::automatic, prepared, args...);
    }
    template <class... Args>
    result execute(format results, const statement &prepared, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_connection_execute(it_, prepared.native(), given.data(), given.size(),
                                               static_cast<std::int32_t>(results), made, about);
        }));
    }

    /// Runs a text of one or more statements without parameters; values come as text. The statements form one transaction
    /// unless the text says otherwise.
    holdfast::results script(std::string_view sql)
    {
        return holdfast::results(detail::made<holdfast_results>([&](holdfast_results **made, holdfast_error **about) {
            return holdfast_connection_script(it_, sql.data(), sql.size(), made, about);
        }));
    }

    /// Runs one statement whose rows are read in portions.
    template <class... Args>
    [[nodiscard]] holdfast::stream stream(std::string_view sql, const Args &...args)
    {
        return stream(format::automatic, sql, args...);
    }
    template <class... Args>
    [[nodiscard]] holdfast::stream stream(format results, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        return holdfast::stream(detail::made<holdfast_stream>([&](holdfast_stream **made, holdfast_error **about) {
            return holdfast_connection_stream(it_, sql.data(), sql.size(), given.data(), given.size(),
                                              static_cast<std::int32_t>(results), made, about);
        }));
    }

    /// Begins a COPY ... FROM STDIN.
    [[nodiscard]] holdfast::copy_in copy_in(std::string_view sql)
    {
        return holdfast::copy_in(detail::made<holdfast_copy_in>([&](holdfast_copy_in **made, holdfast_error **about) {
            return holdfast_connection_copy_in(it_, sql.data(), sql.size(), made, about);
        }));
    }
    /// Begins a COPY ... TO STDOUT.
    [[nodiscard]] holdfast::copy_out copy_out(std::string_view sql)
    {
        return holdfast::copy_out(detail::made<holdfast_copy_out>([&](holdfast_copy_out **made, holdfast_error **about) {
            return holdfast_connection_copy_out(it_, sql.data(), sql.size(), made, about);
        }));
    }

    /// Runs the statements of a pipeline in one go; what became of each is in the outcomes. Throws if the connection failed,
    /// what became of them being unknown, or if one cannot be sent (status::misuse for wrong parameters), and none was then.
    outcomes run(const pipeline &statements, pipeline_mode mode = pipeline_mode::separate)
    {
        const pipeline::view requests(statements);
        return outcomes(detail::made<holdfast_outcomes>([&](holdfast_outcomes **made, holdfast_error **about) {
            return holdfast_connection_pipeline(it_, requests.data(), requests.size(), static_cast<std::int32_t>(mode),
                                                made, about);
        }));
    }

    /// Begins a transaction by hand; the class transaction ends it by itself, and pool::transaction runs it again.
    void begin(const transaction_options &options = {})
    {
        const auto how = options.native();
        detail::call([&](holdfast_error **about) { return holdfast_connection_begin(it_, &how, about); });
    }
    /// Commits. status::rolled_back if a statement had failed; status::commit_unknown if the answer was lost.
    void commit()
    {
        detail::call([&](holdfast_error **about) { return holdfast_connection_commit(it_, about); });
    }
    /// Rolls back what is open.
    void rollback()
    {
        detail::call([&](holdfast_error **about) { return holdfast_connection_rollback(it_, about); });
    }
    /// Sets a savepoint; the library quotes its name.
    void savepoint(std::string_view name)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_savepoint(it_, name.data(), name.size(), about);
        });
    }
    /// Undoes what was done since a savepoint, which stays.
    void rollback_to(std::string_view name)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_rollback_to(it_, name.data(), name.size(), about);
        });
    }
    /// Forgets a savepoint; what was done since then stays.
    void release_savepoint(std::string_view name)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_release_savepoint(it_, name.data(), name.size(), about);
        });
    }
    /// How it stands with transactions. Any thread.
    holdfast::transaction_status transaction_status() const noexcept
    {
        return static_cast<holdfast::transaction_status>(holdfast_connection_transaction_status(it_));
    }

    /// Limits every statement from now until the connection goes back; nothing lifts the limit.
    void set_deadline(std::optional<std::chrono::milliseconds> limit)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_connection_set_deadline(it_, detail::limit(limit), about);
        });
    }

    /// The next notification, or nothing if none comes within that time; 0 takes only what is there already.
    std::optional<holdfast::notification> notification(std::chrono::milliseconds timeout)
    {
        auto *it = detail::made<holdfast_notification>([&](holdfast_notification **made, holdfast_error **about) {
            return holdfast_connection_notification(it_, detail::wait(timeout), made, about);
        });
        return it != nullptr ? std::optional<holdfast::notification>(it) : std::nullopt;
    }
    /// What the server remarked since the last call.
    holdfast::notices notices()
    {
        return holdfast::notices(detail::made<holdfast_notices>([&](holdfast_notices **made, holdfast_error **about) {
            return holdfast_connection_notices(it_, made, about);
        }));
    }
    /// With which any thread can cancel what this connection is doing. Any thread.
    holdfast::cancel_token cancel_token() const
    {
        return holdfast::cancel_token(detail::made<holdfast_cancel>(
            [&](holdfast_cancel **made, holdfast_error **about) { return holdfast_cancel_new(it_, made, about); }));
    }

    /// Submits one statement for this connection. What is submitted to a connection runs in that order, and until all of it
    /// is done other calls on it throw status::busy. A std::future<result>, or nothing if `to` is queue.then(...).
    template <class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, std::string_view sql, const Args &...args)
    {
        return submit(std::forward<Target>(to), submit_options(), sql, args...);
    }
    template <class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, const submit_options &options, std::string_view sql, const Args &...args)
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.native();
        return detail::deliver<result>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_query(it_, queue, tag, &how, sql.data(), sql.size(), given.data(),
                                                        given.size(), options.request, about);
            });
    }
    /// Submits a script for this connection. A std::future<results>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_script(Target &&to, std::string_view sql, const submit_options &options = {})
    {
        const auto how = options.native();
        return detail::deliver<holdfast::results>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_connection_script(it_, queue, tag, &how, sql.data(), sql.size(), options.request,
                                                         about);
            });
    }

    /// The server's process id for this session, as in pg_stat_activity. Any thread.
    std::uint32_t backend_pid() const noexcept { return holdfast_connection_backend_pid(it_); }
    /// The server it leads to, as host:port or a socket path. Any thread.
    std::string_view target() const noexcept { return detail::view(holdfast_connection_target(it_)); }

    explicit operator bool() const noexcept { return it_ != nullptr; }
    holdfast_connection *native() const noexcept { return it_; }

protected:
    holdfast_connection *it_ = nullptr;
};

/// A connection borrowed from a pool, to which it goes back with this object, without waiting for the network. What was left
/// behind is cleaned up before the next borrower gets it: an open transaction is rolled back, a result drained.
class connection : public connection_ref {
public:
    connection() = default;
    /// Takes the handle over.
    explicit connection(holdfast_connection *it) noexcept : connection_ref(it) {}
    connection(connection &&other) noexcept : connection_ref(std::exchange(other.it_, nullptr)) {}
    connection &operator=(connection &&other) noexcept
    {
        connection(std::move(other)).swap(*this);
        return *this;
    }
    ~connection() { release(); }

    /// Gives it back now.
    void release() noexcept { holdfast_connection_release(std::exchange(it_, nullptr)); }
    /// Closes it instead; the pool opens another when one is needed.
    void discard() noexcept { holdfast_connection_discard(std::exchange(it_, nullptr)); }

private:
    void swap(connection &other) noexcept { std::swap(it_, other.it_); }
};

namespace detail {

template <>
struct found<connection> {
    static connection in(const holdfast_completion &done) noexcept { return connection(done.connection); }
};

} // namespace detail

/// A transaction on a connection in hand, rolled back with this object unless it was committed.
///
///     holdfast::transaction work(connection);
///     connection.query("update ...");
///     work.commit();
///
/// pool::transaction also runs it again when it conflicts with others.
class transaction {
public:
    /// Begins one; blocks until the server answered. The connection must outlive it.
    explicit transaction(connection_ref connection, const transaction_options &options = {}) : on_(connection)
    {
        on_.begin(options);
    }
    transaction(const transaction &) = delete;
    transaction &operator=(const transaction &) = delete;
    /// Rolls back; blocks until the server answered, at most for the deadline of the connection.
    ~transaction()
    {
        if (on_) {
            holdfast_connection_rollback(on_.native(), nullptr);
        }
    }

    /// Commits: connection_ref::commit. Over after that, however it ended.
    void commit() { std::exchange(on_, connection_ref()).commit(); }
    /// Rolls back. Over after that.
    void rollback() { std::exchange(on_, connection_ref()).rollback(); }

private:
    connection_ref on_;
};

// ==== Configurations ==========================================================================================

/// How much a log record matters; the HOLDFAST_LOG_ constants.
enum class log_level : std::int32_t {
    off = HOLDFAST_LOG_OFF,
    error = HOLDFAST_LOG_ERROR,
    warn = HOLDFAST_LOG_WARN,
    info = HOLDFAST_LOG_INFO,
    debug = HOLDFAST_LOG_DEBUG,
    trace = HOLDFAST_LOG_TRACE,
};

/// What a pool tells about what it decides. Valid during the call.
struct log_record {
    log_level level;
    /// What happened, in one line. Never holds a secret.
    std::string_view message;
    /// The pool's name and target.
    std::string_view pool;
    std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds> time;
};

/// Everything a pool needs to know. One thread at a time.
class config {
public:
    /// Environment and defaults decide.
    config() : it_(holdfast_config_new()) {}
    /// Takes the handle over.
    explicit config(holdfast_config *it) noexcept : it_(it) {}

    /// With the defaults for production, whatever the environment says.
    static config production() { return config(holdfast_config_production()); }
    /// With the defaults for development, whatever the environment says.
    static config development() { return config(holdfast_config_development()); }
    /// From a connection string: a postgresql:// URL or key=value pairs, as libpq takes them.
    static config from_url(std::string_view url)
    {
        return config(detail::made<holdfast_config>([&](holdfast_config **made, holdfast_error **about) {
            return holdfast_config_from_url(url.data(), url.size(), made, about);
        }));
    }
    /// From DATABASE_URL and the other variables of the environment.
    static config from_env()
    {
        return config(detail::made<holdfast_config>(
            [&](holdfast_config **made, holdfast_error **about) { return holdfast_config_from_env(made, about); }));
    }

    /// Sets one option: from text ("15s"), a number, a bool, or a duration (15s). Unknown options and values that are not
    /// allowed throw status::config.
    ///
    ///     config.set("max_size", 8).set("idle_timeout", 15s).set("sslmode", "require");
    template <class T>
    config &set(std::string_view key, const T &value)
    {
        if constexpr (std::is_same_v<T, bool>) {
            set_text(key, value ? "true" : "false");
        } else if constexpr (detail::is_number<T>) {
            set_text(key, detail::digits(value));
        } else if constexpr (detail::is_duration<T>) {
            const auto count = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
            const bool whole = count % 1000 == 0;
            set_text(key, std::to_string(whole ? count / 1000 : count) + (whole ? "ms" : "us"));
        } else {
            set_text(key, value);
        }
        return *this;
    }
    /// Sets everything that a connection string says; what it does not mention stays.
    config &set_url(std::string_view url)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set_url(it_.get(), url.data(), url.size(), about);
        });
        return *this;
    }
    /// The effective value of an option, wherever it comes from; a secret is shown as "***". Copies.
    std::optional<std::string> get(std::string_view key) const
    {
        const detail::owned<holdfast_text, holdfast_text_free> text(
            detail::made<holdfast_text>([&](holdfast_text **made, holdfast_error **about) {
                return holdfast_config_get(it_.get(), key.data(), key.size(), made, about);
            }));
        return text ? std::optional<std::string>(detail::view(holdfast_text_view(text.get()))) : std::nullopt;
    }
    /// Checks the whole; status::config names the first fault found.
    void validate() const
    {
        detail::call([&](holdfast_error **about) { return holdfast_config_validate(it_.get(), about); });
    }

    /// Has the log records of this level, and those that matter more, of pools made from this configuration go to
    /// `function`. It is called by several threads at once, must return soon, and must not call what would block
    /// (status::reentrant). What it throws ends with the record. It lives until configuration and pools are done with it.
    config &on_log(log_level level, std::function<void(const log_record &)> function)
    {
        auto kept = std::make_unique<std::function<void(const log_record &)>>(std::move(function));
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set_log(it_.get(), static_cast<std::int32_t>(level), tell, kept.get(), forget, about);
        });
        kept.release();
        return *this;
    }

    /// One that says the same and can be changed on its own.
    config clone() const noexcept { return config(holdfast_config_clone(it_.get())); }
    holdfast_config *native() const noexcept { return it_.get(); }

private:
    void set_text(std::string_view key, std::string_view value)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set(it_.get(), key.data(), key.size(), value.data(), value.size(), about);
        });
    }

    // Called by the library.
    static void tell(void *user_data, const holdfast_log_record *record) noexcept
    {
        const auto time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>(
            detail::microseconds(record->unix_us));
        try {
            (*static_cast<const std::function<void(const log_record &)> *>(user_data))(
                {static_cast<log_level>(record->level), detail::view(record->message), detail::view(record->pool), time});
        } catch (...) {
            // There is nobody to throw to, and a log is no reason to end the program.
        }
    }
    static void forget(void *user_data) noexcept
    {
        delete static_cast<std::function<void(const log_record &)> *>(user_data);
    }

    detail::owned<holdfast_config, holdfast_config_free> it_;
};

// ==== Pools ===================================================================================================

/// A pool of connections to one PostgreSQL target. Opening one opens no connection. Any thread, at any time. When the last
/// handle goes, idle connections are closed at once and lent ones as they come back.
class pool {
public:
    pool() = default;
    /// Takes the handle over.
    explicit pool(holdfast_pool *it) noexcept : it_(it) {}
    /// Opens one as configured.
    explicit pool(const config &how)
        : it_(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
              return holdfast_pool_open(how.native(), made, about);
          }))
    {
    }
    /// Opens one from a connection string.
    explicit pool(std::string_view url)
        : it_(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
              return holdfast_pool_open_url(url.data(), url.size(), made, about);
          }))
    {
    }
    /// One that needs no server and answers every statement with its parameters: to try a program, or what calls cost.
    static pool echo()
    {
        return pool(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
            return holdfast_pool_open_echo(nullptr, made, about);
        }));
    }
    static pool echo(const config &how)
    {
        return pool(detail::made<holdfast_pool>([&](holdfast_pool **made, holdfast_error **about) {
            return holdfast_pool_open_echo(how.native(), made, about);
        }));
    }

    /// Borrows a connection. Blocks until one is idle or a new one is open.
    [[nodiscard]] connection acquire(const acquire_options &options = {}) const
    {
        const auto how = options.native();
        return connection(detail::made<holdfast_connection>([&](holdfast_connection **made, holdfast_error **about) {
            return holdfast_pool_acquire(it_.get(), &how, made, about);
        }));
    }
    /// Borrows an idle connection if one is free now.
    [[nodiscard]] std::optional<connection> try_acquire() const
    {
        auto *it = detail::made<holdfast_connection>([&](holdfast_connection **made, holdfast_error **about) {
            return holdfast_pool_try_acquire(it_.get(), made, about);
        });
        return it != nullptr ? std::optional<connection>(it) : std::nullopt;
    }

    /// Borrows a connection, runs one statement, and gives it back.
    template <class... Args>
    result query(std::string_view sql, const Args &...args) const
    {
        return query(query_options(), sql, args...);
    }
    template <class... Args>
    result query(const query_options &options, std::string_view sql, const Args &...args) const
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.connection.native();
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_pool_query(it_.get(), &how, sql.data(), sql.size(), given.data(), given.size(),
                                       static_cast<std::int32_t>(options.results), made, about);
        }));
    }
    /// The same of a prepared statement.
    template <class... Args>
    result execute(const statement &prepared, const Args &...args) const
    {
        return execute(query_options(), prepared, args...);
    }
    template <class... Args>
    result execute(const query_options &options, const statement &prepared, const Args &...args) const
    {
        const detail::arguments<Args...> given(args...);
        const auto how = options.connection.native();
        return result(detail::made<holdfast_result>([&](holdfast_result **made, holdfast_error **about) {
            return holdfast_pool_execute(it_.get(), &how, prepared.native(), given.data(), given.size(),
                                         static_cast<std::int32_t>(options.results), made, about);
        }));
    }

    /// Borrows a connection, calls body(connection_ref &) in a transaction on this thread, commits, and returns what the body
    /// returned.
    ///
    ///     auto left = pool.transaction([&](holdfast::connection_ref &connection) {
    ///         return connection.query("update stock set n = n - 1 where item = $1 returning n", 7).one().as<int>();
    ///     });
    ///
    /// The body is called again, up to five times or as options say, after growing random waits, when the transaction came
    /// to nothing for a reason that passes: it conflicted with others (40001, 40P01), whatever the body made of that, or the
    /// connection was lost before COMMIT. So it must not do what cannot be done twice.
    ///
    /// If the body throws, the transaction is rolled back, and what it threw is thrown unchanged by this call, unless the
    /// body is called again. status::rolled_back if the body returned although a statement had failed;
    /// status::commit_unknown if the connection was lost during COMMIT, which is never run again. The connection is the
    /// library's: the body must not keep it, begin, commit or roll back; savepoints are fine.
    template <class Body>
    auto transaction(Body &&body) const
    {
        return transaction(transaction_options(), std::forward<Body>(body));
    }
    template <class Body>
    auto transaction(const transaction_options &options, Body &&body) const
    {
        using returned = std::invoke_result_t<Body &, connection_ref &>;
        static_assert(!std::is_reference_v<returned>, "holdfast: a transaction returns by value; give its lambda -> auto");
        runs<std::remove_reference_t<Body>, returned> made{body, {}, nullptr};
        const auto connection = options.connection.native();
        const auto how = options.native();
        holdfast_error *about = nullptr;
        const holdfast_status status =
            holdfast_pool_transaction(it_.get(), &connection, &how, made.call, &made, &about);
        detail::owned<holdfast_error, holdfast_error_free> failure(about);
        if (status == HOLDFAST_STATUS_ROLLED_BACK && made.thrown) {
            std::rethrow_exception(made.thrown);
        }
        if (status != HOLDFAST_STATUS_OK) {
            throw error(status, std::move(failure));
        }
        if constexpr (!std::is_void_v<returned>) {
            return std::move(*made.value);
        }
    }

    /// Submits one statement for any connection. A std::future<result>, or nothing if `to` is queue.then(...). Never blocks. status::queue_full if the queue has as many requests as it takes.
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, std::string_view sql, const Args &...args) const
    {
        return submit<T>(std::forward<Target>(to), submit_options(), sql, args...);
    }
    template <class T = result, class Target, class... Args, detail::if_target<Target> = 0>
    auto submit(Target &&to, const submit_options &options, std::string_view sql, const Args &...args) const
    {
        const detail::arguments<Args...> given(args...);
        const auto how = submission<T>(options);
        return detail::deliver<T>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_query(it_.get(), queue, tag, &how, sql.data(), sql.size(), given.data(),
                                             given.size(), options.request, about);
            });
    }
    /// Asks for a connection. A std::future<connection>, or nothing if `to` is queue.then(...).
    template <class Target, detail::if_target<Target> = 0>
    auto submit_acquire(Target &&to, const submit_options &options = {}) const
    {
        const auto how = options.native();
        return detail::deliver<connection>(
            std::forward<Target>(to), [&](const holdfast_queue *queue, std::uint64_t tag, holdfast_error **about) {
                return holdfast_submit_acquire(it_.get(), queue, tag, &how, options.request, about);
            });
    }
    /// How it stands and what it has done, all of one moment.
    holdfast::stats stats() const
    {
        auto figures = detail::sized<holdfast::stats>();
        detail::call([&](holdfast_error **about) { return holdfast_pool_stats(it_.get(), &figures, about); });
        return figures;
    }
    /// Closes it: refuses new callers, wakes those who wait, closes idle connections, waits for lent ones, cancels what still
    /// runs shortly before the limit, and cuts what is left at the limit; without one, close_timeout is the limit.
    holdfast::close_report close(std::optional<std::chrono::milliseconds> timeout = std::nullopt) const
    {
        auto report = detail::sized<holdfast::close_report>();
        const std::uint64_t most = timeout ? detail::wait(*timeout) : HOLDFAST_CONFIGURED;
        detail::call([&](holdfast_error **about) { return holdfast_pool_close(it_.get(), most, &report, about); });
        return report;
    }
    bool is_closed() const noexcept { return holdfast_pool_is_closed(it_.get()); }
    /// The server or servers that it leads to, as host:port; no secrets.
    std::string_view target() const noexcept { return detail::view(holdfast_pool_target(it_.get())); }

    /// A further handle of the same pool.
    pool clone() const noexcept { return pool(holdfast_pool_clone(it_.get())); }
    explicit operator bool() const noexcept { return it_ != nullptr; }
    const holdfast_pool *native() const noexcept { return it_.get(); }

private:
    /// The runs of a transaction's body: what it returned or threw last.
    template <class Body, class Returned>
    struct runs {
        struct nothing {};

        Body &body;
        std::optional<std::conditional_t<std::is_void_v<Returned>, nothing, Returned>> value;
        std::exception_ptr thrown;

        // Called by the library, through which no exception may pass.
        static holdfast_status call(void *user_data, holdfast_connection *connection, holdfast_error **) noexcept
        {
            auto &self = *static_cast<runs *>(user_data);
            self.value.reset();
            self.thrown = nullptr;
            try {
                connection_ref lent(connection);
                if constexpr (std::is_void_v<Returned>) {
                    self.body(lent);
                } else {
                    self.value.emplace(self.body(lent));
                }
                return HOLDFAST_STATUS_OK;
            } catch (...) {
                self.thrown = std::current_exception();
                return HOLDFAST_STATUS_ROLLED_BACK;
            }
        }
    };

    template <class T>
    static holdfast_submit_options submission(const submit_options &options) noexcept
    {
        static_assert(std::is_same_v<T, result> || std::is_same_v<T, pack>, "holdfast: a result or a pack");
        auto how = options.native();
        how.pack = std::is_same_v<T, pack> ? 1 : 0;
        return how;
    }

    detail::owned<holdfast_pool, holdfast_pool_free> it_;
};

// ==== The library =============================================================================================

/// The version of the library that runs, as text; HOLDFAST_VERSION is what the program was compiled against.
inline std::string_view version() noexcept { return detail::view(holdfast_version()); }

/// Throws status::misuse if the library that runs does not serve a program compiled against this header: call it once,
/// before anything else.
inline void check_version()
{
    detail::call([](holdfast_error **about) { return holdfast_check_version(HOLDFAST_VERSION_NUMBER, about); });
}

/// The options there are, in the order of the reference table; their texts are static. Allocates.
inline std::vector<holdfast_option> options()
{
    std::vector<holdfast_option> all(holdfast_option_count(), detail::sized<holdfast_option>());
    for (std::size_t i = 0; i < all.size(); i++) {
        detail::call([&](holdfast_error **about) { return holdfast_option_get(i, &all[i], about); });
    }
    return all;
}

} // namespace holdfast

#endif // HOLDFAST_HPP
