// Transactions commit, roll back, run again when they conflict, and let exceptions of the body through unchanged.
#include "check.hpp"

#include <atomic>
#include <condition_variable>
#include <thread>

using holdfast::connection_ref;
using holdfast::pool;
using holdfast::transaction_options;

namespace {

// Not made for being thrown by anybody else.
struct out_of_stock {
    std::shared_ptr<int> item;
};

// Threads that wait for one another.
class meeting {
public:
    explicit meeting(int expected) : missing_(expected) {}
    void arrive()
    {
        std::unique_lock<std::mutex> hold(lock_);
        missing_--;
        all_.notify_all();
        all_.wait(hold, [&] { return missing_ <= 0; });
    }

private:
    std::mutex lock_;
    std::condition_variable all_;
    int missing_;
};

int stock(const pool &of, int item) { return of.query("select n from stock where item = $1", item).one().as<int>(); }

} // namespace

static void what_the_body_returns_is_returned_after_the_commit(const pool &pool)
{
    const int left = pool.transaction([](connection_ref &c) {
        CHECK(c.transaction_status() == holdfast::transaction_status::active);
        return c.query("update stock set n = n - 1 where item = $1 returning n", 1).one().as<int>();
    });
    CHECK(left == 9 && stock(pool, 1) == 9);
    // What can only be moved, too.
    auto rows = pool.transaction([](connection_ref &c) { return c.query("select generate_series(1, 3)"); });
    CHECK(rows.size() == 3);
    // By value, or as whatever the program likes to call it.
    pool.transaction([](connection_ref c) { c.query("update stock set n = 10 where item = 1"); });
    CHECK(stock(pool, 1) == 10);
}

static void an_exception_of_the_body_rolls_back_and_passes_through_unchanged(const pool &pool)
{
    const auto item = std::make_shared<int>(7);
    int runs = 0;
    try {
        pool.transaction([&](connection_ref &c) {
            runs++;
            c.query("update stock set n = 0");
            throw out_of_stock{item};
        });
        CHECK(false);
    } catch (const out_of_stock &thrown) {
        CHECK(thrown.item == item);
    }
    CHECK(runs == 1 && item.use_count() == 1 && stock(pool, 1) == 10);

    auto refused = FAILS(holdfast::status::database, pool.transaction([](connection_ref &c) -> int {
        c.query("update stock set n = 0");
        return c.query("select 1 / 0").one().as<int>();
    }));
    CHECK(refused.sqlstate() == "22012" && stock(pool, 1) == 10 && pool.stats().in_use == 0);
    try {
        pool.transaction([](connection_ref &) { throw 42; });
        CHECK(false);
    } catch (int thrown) {
        CHECK(thrown == 42);
    }
}

static void a_body_that_swallows_the_failure_of_a_statement_does_not_commit(const pool &pool)
{
    FAILS(holdfast::status::rolled_back, pool.transaction([](connection_ref &c) {
        c.query("update stock set n = 0");
        FAILS(holdfast::status::database, c.query("select 1 / 0"));
        CHECK(c.transaction_status() == holdfast::transaction_status::failed);
    }));
    CHECK(stock(pool, 1) == 10);
    // Unless it goes back to a savepoint.
    pool.transaction([](connection_ref &c) {
        c.query("update stock set n = 11 where item = 1");
        c.savepoint("here \"and\" there");
        FAILS(holdfast::status::database, c.query("select 1 / 0"));
        c.rollback_to("here \"and\" there");
        c.release_savepoint("here \"and\" there");
    });
    CHECK(stock(pool, 1) == 11);
}

static void of_two_transactions_that_conflict_one_runs_again(const pool &pool)
{
    const int before = stock(pool, 2);
    meeting both_have_seen(2);
    std::atomic<int> runs{0};
    const auto sell = [&] {
        bool first = true;
        transaction_options options;
        options.isolation = holdfast::isolation::repeatable_read;
        pool.transaction(options, [&](connection_ref &c) {
            runs++;
            const int n = c.query("select n from stock where item = 2").one().as<int>();
            if (std::exchange(first, false)) {
                both_have_seen.arrive();
            }
            c.query("update stock set n = $1 where item = 2", n - 1);
        });
    };
    std::thread other(sell);
    sell();
    other.join();
    CHECK(runs == 3 && stock(pool, 2) == before - 2);
}

static void a_conflict_is_thrown_once_there_are_no_more_reruns(const pool &pool)
{
    for (unsigned reruns : {0u, 2u}) {
        unsigned runs = 0;
        transaction_options options;
        options.isolation = holdfast::isolation::repeatable_read;
        options.reruns = reruns;
        auto conflict = FAILS(holdfast::status::database, pool.transaction(options, [&](connection_ref &c) {
            runs++;
            c.query("select n from stock where item = 3");
            pool.query("update stock set n = n + 1 where item = 3");
            c.query("update stock set n = 0 where item = 3");
        }));
        CHECK(conflict.sqlstate() == "40001" && runs == reruns + 1);
    }
    CHECK(stock(pool, 3) == 14);
}

static void options_of_a_transaction_reach_the_server(const pool &pool)
{
    transaction_options options;
    options.isolation = holdfast::isolation::serializable;
    options.access = holdfast::access::read_only;
    options.deferrable = true;
    options.timeout = std::chrono::seconds(5);
    auto settings = pool.transaction(options, [](connection_ref &c) {
        return c.query("select current_setting('transaction_isolation'), current_setting('transaction_read_only'), "
                       "current_setting('transaction_deferrable')");
    });
    auto [isolation, read_only, deferrable] = settings.one().as<std::string, std::string, std::string>();
    CHECK(isolation == "serializable" && read_only == "on" && deferrable == "on");

    options = {};
    options.timeout = std::chrono::milliseconds(100);
    FAILS(holdfast::status::query_timeout,
          pool.transaction(options, [](connection_ref &c) { c.query("select pg_sleep(10)"); }));
    // The same for getting its connection.
    options = {};
    options.connection.timeout = std::chrono::milliseconds(1);
    std::vector<holdfast::connection> all;
    for (auto i = pool.stats().max_size; i > 0; i--) {
        all.push_back(pool.acquire());
    }
    FAILS(holdfast::status::pool_timeout, pool.transaction(options, [](connection_ref &) { CHECK(false); }));
}

static void a_transaction_by_hand_is_rolled_back_unless_it_was_committed(const pool &pool)
{
    auto connection = pool.acquire();
    connection.query("update stock set n = 1 where item = 1");
    {
        holdfast::transaction work(connection);
        connection.query("update stock set n = 2 where item = 1");
    }
    CHECK(stock(pool, 1) == 1 && connection.transaction_status() == holdfast::transaction_status::idle);
    {
        holdfast::transaction work(connection);
        connection.query("update stock set n = 3 where item = 1");
        work.commit();
        connection.query("update stock set n = n + 10 where item = 1");
    }
    CHECK(stock(pool, 1) == 13);
    {
        holdfast::transaction work(connection);
        work.rollback();
        CHECK(connection.transaction_status() == holdfast::transaction_status::idle);
    }
    connection.begin();
    FAILS(holdfast::status::misuse, connection.begin());
    connection.rollback();
    connection.begin();
    FAILS(holdfast::status::database, connection.query("select 1 / 0"));
    FAILS(holdfast::status::rolled_back, connection.commit());
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        pool pool(own_schema(url, "transactions"));
        pool.acquire().script("create table stock (item int primary key, n int);"
                              "insert into stock values (1, 10), (2, 10), (3, 10)");
        what_the_body_returns_is_returned_after_the_commit(pool);
        an_exception_of_the_body_rolls_back_and_passes_through_unchanged(pool);
        a_body_that_swallows_the_failure_of_a_statement_does_not_commit(pool);
        of_two_transactions_that_conflict_one_runs_again(pool);
        a_conflict_is_thrown_once_there_are_no_more_reruns(pool);
        options_of_a_transaction_reach_the_server(pool);
        a_transaction_by_hand_is_rolled_back_unless_it_was_committed(pool);
    });
}
