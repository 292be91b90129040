// Handles are one pointer wide, move, free themselves, and cost nothing beside what the library does.
#include "check.hpp"

#include <new>

// Counts what this side of the library takes from the heap; the library has an allocator of its own.
static std::size_t allocations = 0;

void *operator new(std::size_t size)
{
    allocations++;
    if (void *it = std::malloc(size)) {
        return it;
    }
    throw std::bad_alloc();
}
void operator delete(void *it) noexcept { std::free(it); }
void operator delete(void *it, std::size_t) noexcept { std::free(it); }

template <class T>
constexpr bool is_a_handle = sizeof(T) == sizeof(void *) && !std::is_copy_constructible_v<T>
                             && !std::is_copy_assignable_v<T> && std::is_nothrow_default_constructible_v<T> && std::is_nothrow_move_constructible_v<T>
                             && std::is_nothrow_move_assignable_v<T> && std::is_nothrow_destructible_v<T>
                             && !std::has_virtual_destructor_v<T>;

static_assert(is_a_handle<holdfast::pool> && is_a_handle<holdfast::connection> && is_a_handle<holdfast::result>);
static_assert(is_a_handle<holdfast::results> && is_a_handle<holdfast::statement> && is_a_handle<holdfast::stream>);
static_assert(is_a_handle<holdfast::copy_in> && is_a_handle<holdfast::copy_out> && is_a_handle<holdfast::notices>);
static_assert(is_a_handle<holdfast::notification> && is_a_handle<holdfast::cancel_token> && is_a_handle<holdfast::pack>);
static_assert(sizeof(holdfast::config) == sizeof(void *) && !std::is_copy_constructible_v<holdfast::config>);
static_assert(std::is_nothrow_move_constructible_v<holdfast::queue> && std::is_nothrow_move_assignable_v<holdfast::queue>);
static_assert(!std::is_copy_constructible_v<holdfast::queue> && !std::is_copy_constructible_v<holdfast::outcomes>);

// Views are copied freely.
static_assert(std::is_trivially_copyable_v<holdfast::connection_ref> && std::is_trivially_copyable_v<holdfast::result_ref>);
static_assert(std::is_trivially_copyable_v<holdfast::row> && std::is_trivially_copyable_v<holdfast::value>);
static_assert(sizeof(holdfast::connection_ref) == sizeof(void *) && sizeof(holdfast::result_ref) == sizeof(void *));

// An exception must not throw while it is copied.
static_assert(std::is_nothrow_copy_constructible_v<holdfast::error>);
static_assert(std::is_base_of_v<std::runtime_error, holdfast::error>);

static void a_handle_that_was_moved_from_is_empty(const std::string &url)
{
    holdfast::pool pool(url);
    holdfast::connection one = pool.acquire();
    const auto pid = one.backend_pid();
    CHECK(pid != 0 && one);
    holdfast::connection two = std::move(one);
    CHECK(!one && two.backend_pid() == pid && one.backend_pid() == 0 && one.target().empty());
    FAILS(holdfast::status::null, one.query("select 1"));
    CHECK(pool.stats().in_use == 1);

    // What is assigned to gives back what it had.
    holdfast::connection three = pool.acquire();
    CHECK(pool.stats().in_use == 2);
    three = std::move(two);
    CHECK(pool.stats().in_use == 1 && three.backend_pid() == pid);
    auto &same = three;
    three = std::move(same);
    CHECK(three.backend_pid() == pid && three.query("select 1").size() == 1);
    three.release();
    three.release();
    CHECK(!three && pool.stats().in_use == 0);

    holdfast::result result = pool.query("select 1");
    holdfast::result taken = std::move(result);
    CHECK(!result && result.empty() && result.columns() == 0 && result.command_tag().empty() && taken.size() == 1);
    result = std::move(taken);
    holdfast::result moved = pool.query("select 2");
    result = std::move(moved);
    CHECK(!moved && moved.columns() == 0); // not what `result` was before
    CHECK(result.size() == 1);
    result = pool.query("select 2");
    CHECK(result.one().as<int>() == 2);

    holdfast::pool other = std::move(pool);
    CHECK(!pool && pool.is_closed() && other && !other.is_closed());
    FAILS(holdfast::status::null, pool.acquire());
    FAILS(holdfast::status::null, pool.transaction([](holdfast::connection_ref &) {}));
}

static void empty_handles_answer_nothing_and_fail_with_null()
{
    holdfast::stream stream;
    holdfast::copy_in in;
    holdfast::copy_out out;
    FAILS(holdfast::status::null, stream.next(1));
    FAILS(holdfast::status::null, in.finish());
    FAILS(holdfast::status::null, out.read());
    FAILS(holdfast::status::null, holdfast::cancel_token().fire());
    CHECK(holdfast::statement().text().empty() && !holdfast::statement().clone() && holdfast::notices().empty());
    CHECK(holdfast::results().empty() && holdfast::outcomes().empty() && holdfast::pack().data().empty());
    CHECK(!holdfast::pool().clone() && stream.command_tag().empty());
}

static void a_discarded_connection_is_closed(const std::string &url)
{
    holdfast::pool pool(url);
    auto connection = pool.acquire();
    const auto pid = connection.backend_pid();
    connection.discard();
    CHECK(!connection && pool.stats().closed_discarded == 1 && pool.acquire().backend_pid() != pid);
    CHECK(!holdfast::pool(url).try_acquire());
    CHECK(pool.try_acquire().has_value());
}

static void clones_are_further_handles_of_the_same(const std::string &url)
{
    holdfast::pool pool;
    holdfast::cancel_token cancel;
    holdfast::statement statement;
    {
        holdfast::pool first(url);
        pool = first.clone();
        auto connection = first.acquire();
        cancel = connection.cancel_token().clone();
        statement = connection.prepare("select 1").clone();
    }
    CHECK(pool.stats().opens == 1 && pool.execute(statement).one().as<int>() == 1);
    cancel.fire();
}

static void a_query_takes_nothing_from_the_heap_on_this_side(const std::string &url)
{
    holdfast::pool pool(url);
    {
        auto connection = pool.acquire();
        auto statement = connection.prepare("select $1::int * $2::int, 'text'");
        const auto before = allocations;
        auto result = connection.query("select $1::int + $2::int, 'text' as text, null::int", 40, 2);
        auto [sum, text, nothing] = result.one().as<int, std::string_view, std::optional<int>>();
        CHECK(sum == 42 && text == "text" && !nothing && !result[0]["text"].is_null());
        CHECK(connection.execute(statement, 6, 7).one()[0].as<int>() == 42);
        CHECK(connection.query("select $1::text, $2::bytea", "a text that is longer than any buffer within a std::string",
                               holdfast::bytes("\x01", 1)).size() == 1);
        for (auto row : connection.stream("select generate_series(1, 10)")) {
            CHECK(row[0].as<int>() > 0);
        }
        CHECK(allocations == before);
    }
    const auto before = allocations;
    CHECK(pool.query("select $1::int + $2::int", 40, 2).one().as<int>() == 42);
    CHECK(pool.transaction([](holdfast::connection_ref &c) { return c.query("select $1::int", 1).one().as<int>(); }) == 1);
    CHECK(allocations == before);
    // The counting itself works.
    FAILS(holdfast::status::database, pool.query("select"  " 1 / 0"));
    CHECK(allocations > before);
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        a_handle_that_was_moved_from_is_empty(url);
        empty_handles_answer_nothing_and_fail_with_null();
        a_discarded_connection_is_closed(url);
        clones_are_further_handles_of_the_same(url);
        a_query_takes_nothing_from_the_heap_on_this_side(url);
    });
}
