// What is submitted comes back as a future or in a function, exactly once, whichever is closed first.
#include "check.hpp"

#include <poll.h>

#include <atomic>
#include <thread>

using namespace std::chrono_literals;
using holdfast::completion;
using holdfast::pool;
using holdfast::queue;
using holdfast::result;

static queue pumped_queue()
{
    holdfast::queue_options options;
    options.pumped = true;
    return queue(options);
}

/* Fails the test instead of hanging it. */
template <class T>
T take(std::future<T> &&future)
{
    CHECK(future.wait_for(30s) == std::future_status::ready);
    return future.get();
}

static void futures_become_ready_by_themselves(const pool &pool)
{
    queue queue;
    std::vector<std::future<result>> squares;
    for (int i = 0; i < 200; i++) {
        squares.push_back(pool.submit(queue, "select $1::int * $1::int", i));
    }
    for (int i = 0; i < 200; i++) {
        CHECK(take(std::move(squares[static_cast<std::size_t>(i)])).one().as<int>() == i * i);
    }
    CHECK(queue.pending() == 0 && pool.stats().in_use == 0);
    // A future by itself.
    auto alone = pool.submit(queue, "select 1");
    CHECK(take(std::move(alone)).one().as<int>() == 1);
}

static void a_future_throws_what_went_wrong(const pool &pool)
{
    queue queue;
    auto failed = FAILS(holdfast::status::database, take(pool.submit(queue, "select 1 / 0")));
    CHECK(failed.sqlstate() == "22012");
    holdfast::submit_options options;
    options.deadline = 50ms;
    options.deadline_covers_wait = true;
    FAILS(holdfast::status::query_timeout, take(pool.submit(queue, options, "select pg_sleep(60)")));
    options = {};
    options.results = holdfast::format::text;
    CHECK(take(pool.submit(queue, options, "select 1")).column(0).format == holdfast::format::text);
}

static void streams_are_read_at_the_programs_pace(const pool &pool)
{
    queue queue;
    auto connection = take(pool.submit_acquire(queue));
    auto stream = take(connection.submit_stream(queue, "select n from generate_series(1, $1::int) n", 250));
    int expected = 0;
    while (auto portion = take(stream.submit_next(queue, 100))) {
        for (auto row : portion) {
            CHECK(row[0].as<int>() == ++expected);
        }
    }
    CHECK(expected == 250 && stream.command_tag() == "SELECT 250");
    holdfast::submit_options text;
    text.results = holdfast::format::text;
    stream = take(connection.submit_stream(queue, text, "select 1"));
    CHECK(!take(stream.submit_next<holdfast::pack>(queue, 1)).data().empty());
    FAILS(holdfast::status::argument, stream.submit_next(queue, 0));
    // A stream that is gone, or that nobody took, leaves the connection to others.
    stream = {};
    FAILS(holdfast::status::database, take(connection.submit_stream(queue, "select nothing")));
    take(connection.submit_stream(queue, "select generate_series(1, 9)"));
    CHECK(take(connection.submit(queue, "select 1")).one().as<int>() == 1);
    FAILS(holdfast::status::null, holdfast::stream().submit_next(queue, 1));
}

static void copies_carry_rows_both_ways(const pool &pool)
{
    queue queue;
    auto connection = take(pool.submit_acquire(queue));
    take(connection.submit_script(queue, "create temp table held (n int)"));
    auto in = take(connection.submit_copy_in(queue, "copy held from stdin"));
    for (auto piece : {"1\n2", "0\n", "3\n"}) {
        take(in.submit_write(queue, piece));
    }
    CHECK(take(in.submit_finish(queue)) == 3);
    auto refused = take(connection.submit_copy_in(queue, "copy held from stdin"));
    take(refused.submit_write(queue, std::string_view("4\n")));
    take(refused.submit_abort(queue, "never mind"));
    auto out = take(connection.submit_copy_out(queue, "copy held to stdout"));
    CHECK(take(out.submit_read(queue, 1)).text() == "1\n");
    CHECK(take(out.submit_read(queue)).text() == "20\n3\n");
    auto end = take(out.submit_read(queue));
    CHECK(!end && end.data().empty() && out.rows() == 3);
}

static void statements_savepoints_and_scripts_are_submitted_too(const pool &pool)
{
    queue queue;
    auto connection = take(pool.submit_acquire(queue));
    const auto prepared = take(connection.submit_prepare(queue, "select $1 + 1", {23}));
    CHECK(prepared.parameter_type(0) == 23 && prepared.text() == "select $1 + 1");
    CHECK(take(pool.submit_execute(queue, prepared, 41)).one().as<int>() == 42);
    take(connection.submit_begin(queue));
    take(connection.submit_savepoint(queue, "a"));
    FAILS(holdfast::status::database, take(connection.submit(queue, "select 1 / 0")));
    take(connection.submit_rollback_to(queue, "a"));
    take(connection.submit_release_savepoint(queue, "a"));
    take(connection.submit_commit(queue));
    CHECK(take(pool.submit_script(queue, "select 1; select 2")).size() == 2);
}

static void what_is_submitted_to_a_connection_runs_in_order(const pool &pool)
{
    queue queue;
    auto connection = take(pool.submit_acquire(queue));
    CHECK(connection && pool.stats().in_use == 1);
    connection.script("create table if not exists sale (item int); truncate sale");

    connection.query("insert into sale values (1)");

    // In the order of their submission, whatever else waits.
    auto first = connection.submit(queue, "select pg_sleep(0.05), now()");
    auto second = connection.submit_script(queue, "insert into sale values (2); select count(*) from sale");
    auto third = connection.submit(queue, "select count(*) from sale where item = $1", 2);
    FAILS(holdfast::status::busy, connection.query("select 1"));
    CHECK(take(std::move(third)).one().as<int>() == 1);
    CHECK(first.wait_for(0s) == std::future_status::ready && second.wait_for(0s) == std::future_status::ready);
    CHECK(take(std::move(second))[1].one().as<int>() == 2 && take(std::move(first)).size() == 1);
}

static void a_pumped_queue_completes_on_the_thread_that_pumps(const pool &pool)
{
    auto queue = pumped_queue();
    const auto here = std::this_thread::get_id();
    int sum = 0, failures = 0;
    for (int i = 1; i <= 100; i++) {
        pool.submit(queue.then([&](completion<result> done) {
            CHECK(std::this_thread::get_id() == here && done && !done.error());
            sum += done.get().one().as<int>();
        }), "select $1::int", i);
    }
    pool.submit(queue.then([&](completion<result> done) {
        CHECK(!done.ok() && done.error()->sqlstate() == "22012");
        FAILS(holdfast::status::database, done.get());
        failures++;
    }), "select 1 / 0");
    auto future = pool.submit(queue, "select pg_sleep(0.02)");

    std::size_t pumped = 0;
    while (pumped < 102) {
        pollfd ready = {queue.fd(), POLLIN, 0};
        CHECK(poll(&ready, 1, 30000) == 1);
        pumped += queue.pump();
    }
    CHECK(pumped == 102 && sum == 5050 && failures == 1 && queue.pending() == 0);
    CHECK(future.wait_for(0s) == std::future_status::ready && queue.pump() == 0 && !queue.wait(1ms));

    // A function may submit what comes next.
    std::vector<int> order;
    pool.submit(queue.then([&](completion<result> done) {
        order.push_back(done.get().one().as<int>());
        pool.submit(queue.then([&](completion<result> next) {
            CHECK(next.running() > 0us);
            order.push_back(next.get().one().as<int>());
        }), "select 2");
    }), "select 1");
    while (order.size() < 2) {
        CHECK(queue.wait(30s));
        queue.pump();
    }
    CHECK(order == std::vector<int>{1, 2});
}

static void functions_run_on_a_thread_of_the_library_where_nothing_may_block(const pool &pool)
{
    queue queue;
    std::promise<void> over;
    pool.submit(queue.then([&](completion<result> done) {
        CHECK(done.ok());
        FAILS(holdfast::status::reentrant, pool.query("select 1"));
        // What does not block is fine.
        pool.submit(queue.then([&](completion<result>) { over.set_value(); }), "select 2");
    }), "select 1");
    take(over.get_future());
}

static void a_full_queue_refuses_and_a_cancelled_request_is_completed(const pool &pool)
{
    holdfast::queue_options options;
    options.capacity = 2;
    queue queue(options);
    std::uint64_t number = 0;
    holdfast::submit_options submit;
    submit.request = &number;
    auto slow = pool.submit(queue, submit, "select pg_sleep(60)");
    auto other = pool.submit(queue, "select pg_sleep(60)");
    CHECK(number != 0);
    FAILS(holdfast::status::queue_full, pool.submit(queue, "select 1"));
    queue.cancel(number);
    FAILS(holdfast::status::canceled, take(std::move(slow)));
    CHECK(other.wait_for(0s) == std::future_status::timeout);
    CHECK(take(pool.submit(queue, "select 1")).one().as<int>() == 1);
    FAILS(holdfast::status::argument, queue.cancel(number + 1000000));
}

static void futures_of_a_queue_that_is_gone_have_a_broken_promise(const pool &pool)
{
    std::future<result> left;
    bool called = false;
    auto witness = std::make_shared<int>();
    {
        queue gone;
        left = pool.submit(gone, "select pg_sleep(0.2)");
        pool.submit(gone.then([&called, witness](completion<result>) { called = true; }), "select pg_sleep(0.2)");
        CHECK(witness.use_count() == 2);
    }
    CHECK(witness.use_count() == 1 && !called);
    try {
        left.get();
        CHECK(false);
    } catch (const std::future_error &error) {
        CHECK(error.code() == std::future_errc::broken_promise);
    }
    // A function may let go of its queue.
    auto pumped = std::make_unique<queue>(pumped_queue());
    pool.submit(pumped->then([&](completion<result>) { pumped.reset(); }), "select 1");
    while (pumped) {
        CHECK(pumped->wait(30s));
        pumped->pump();
    }
    queue moved;
    queue target = std::move(moved);
    FAILS(holdfast::status::null, pool.submit(moved, "select 1"));
    CHECK(moved.pump() == 0 && moved.fd() == -1 && take(pool.submit(target, "select 1")).size() == 1);
}

static void a_pool_that_closes_completes_what_was_submitted(const std::string &url)
{
    queue queue;
    std::future<result> running;
    {
        holdfast::config config = holdfast::config::from_url(url);
        config.set("max_size", 1);
        pool pool(config);
        running = pool.submit(queue, "select pg_sleep(60)");
        auto waiting = pool.submit(queue, "select 1");
        while (pool.stats().in_use == 0) {
            std::this_thread::sleep_for(1ms);
        }
        pool.close(200ms);
        FAILS(holdfast::status::pool_closed, take(std::move(waiting)));
        FAILS(holdfast::status::pool_closed, pool.submit(queue, "select 1"));
    }
    try {
        take(std::move(running));
        CHECK(false);
    } catch (const holdfast::error &error) {
        CHECK(error.status() == holdfast::status::canceled || error.status() == holdfast::status::connection_lost
              || error.status() == holdfast::status::pool_closed);
    }
}

static void many_threads_share_one_queue(const pool &pool)
{
    queue queue;
    std::atomic<int> sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&] {
            for (int i = 0; i < 50; i++) {
                sum += take(pool.submit(queue, "select $1::int", i)).one().as<int>();
            }
        });
    }
    for (auto &thread : threads) {
        thread.join();
    }
    CHECK(sum == 4 * 1225);
}

static void prepared_statements_pipelines_and_packs_are_submitted_too(const pool &pool)
{
    queue queue;
    auto connection = pool.acquire();
    const auto doubled = connection.prepare("select $1::int * 2");
    CHECK(take(pool.submit_execute(queue, doubled, 21)).one().as<int>() == 42);
    CHECK(take(connection.submit_execute(queue, doubled, 4)).one().as<int>() == 8);
    CHECK(take(pool.submit<holdfast::pack>(queue, "select 1")).data().size() > sizeof(holdfast_pack_header));
    CHECK(take(connection.submit_execute<holdfast::pack>(queue, doubled, 1)).data().size() > 0);

    holdfast::pipeline work;
    work.query("select 1");
    work.query("select 1 / 0");
    work.execute(doubled, 3);
    for (int i = 0; i < 2; i++) {
        auto outcomes = take(i == 0 ? pool.submit_run(queue, work) : connection.submit_run(queue, work));
        CHECK(outcomes.size() == 3 && outcomes[0].get().one().as<int>() == 1 && !outcomes[1].ok());
        CHECK(outcomes[2].get().one().as<int>() == 6);
    }
    auto together = take(pool.submit_run(queue, work, holdfast::pipeline_mode::together));
    CHECK(together[0].error()->status() == holdfast::status::rolled_back);
}

static void a_transaction_is_submitted_step_by_step(const pool &pool)
{
    queue queue;
    auto connection = pool.acquire();
    connection.script("create temp table step (n int)");
    take(connection.submit_begin(queue));
    take(connection.submit(queue, "insert into step values (1)"));
    take(connection.submit_commit(queue));
    holdfast::transaction_options options;
    options.isolation = holdfast::isolation::serializable;
    take(connection.submit_begin(queue, options));
    CHECK(take(connection.submit(queue, "show transaction_isolation")).one().as<std::string>() == "serializable");
    take(connection.submit_rollback(queue));
    FAILS(holdfast::status::misuse, take(connection.submit_commit(queue)));

    auto loop = pumped_queue();
    bool heard = false;
    connection.submit_begin(loop.then([&](completion<void> done) {
        heard = done.ok();
        done.get();
    }));
    CHECK(loop.wait(20s) && loop.pump() == 1 && heard);
    CHECK(connection.transaction_status() == holdfast::transaction_status::active);
}

static void a_transaction_is_submitted_as_a_function(const pool &pool)
{
    queue queue;
    {
        auto connection = pool.acquire();
        connection.script("drop table if exists sold; create table sold (n int)");
    }
    std::atomic<int> runs{0};
    const auto conflict = "do $$begin raise exception 'as asked' using errcode = '40001'; end$$";
    auto sum = pool.submit_transaction(queue, [&, kept = std::make_unique<int>(40)](holdfast::connection_ref &connection) {
        connection.query("insert into sold values ($1)", *kept + runs.load());
        if (++runs < 3) {
            connection.script(conflict);
        }
        return connection.query("select sum(n)::int from sold").one().as<int>();
    });
    CHECK(take(std::move(sum)) == 42 && runs == 3);

    auto nothing = pool.submit_transaction(
        queue, [](holdfast::connection_ref &connection) { connection.query("delete from sold"); });
    take(std::move(nothing));

    // What the function throws comes out of the future as it is.
    auto thrown = pool.submit_transaction(queue, [](holdfast::connection_ref &connection) -> int {
        connection.query("insert into sold values (1)");
        throw std::out_of_range("changed my mind");
    });
    try {
        take(std::move(thrown));
        CHECK(false);
    } catch (const std::out_of_range &e) {
        CHECK(std::string_view(e.what()) == "changed my mind");
    }
    auto failed = pool.submit_transaction(
        queue, [](holdfast::connection_ref &connection) { connection.query("select 1 / 0"); });
    CHECK(FAILS(holdfast::status::database, take(std::move(failed))).sqlstate() == "22012");
    CHECK(pool.query("select count(*)::int from sold").one().as<int>() == 0);

    std::uint64_t request = 0;
    std::atomic<bool> sleeps{false};
    auto cancelled = pool.submit_transaction(
        queue,
        [&](holdfast::connection_ref &connection) {
            sleeps = true;
            connection.query("select pg_sleep(60)");
        },
        {}, &request);
    while (!sleeps) {
        std::this_thread::yield();
    }
    queue.cancel(request);
    FAILS(holdfast::status::canceled, take(std::move(cancelled)));
}

static void the_function_of_a_transaction_outlives_the_queue_it_was_submitted_to(const pool &pool)
{
    std::atomic<bool> runs{false}, done{false};
    std::future<void> future;
    {
        queue queue;
        future = pool.submit_transaction(
            queue, [&, kept = std::make_unique<std::string>("kept")](holdfast::connection_ref &connection) {
                runs = true;
                connection.query("select pg_sleep(0.2)");
                done = *kept == "kept";
            });
        while (!runs) {
            std::this_thread::yield();
        }
    }
    try {
        take(std::move(future));
        CHECK(false);
    } catch (const std::future_error &) {
    }
    for (int i = 0; i < 20000 && !done; i++) {
        std::this_thread::sleep_for(1ms);
    }
    CHECK(done);
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        const auto own = own_schema(url, "queues");
        pool pool(own);
        futures_become_ready_by_themselves(pool);
        a_future_throws_what_went_wrong(pool);
        streams_are_read_at_the_programs_pace(pool);
        copies_carry_rows_both_ways(pool);
        statements_savepoints_and_scripts_are_submitted_too(pool);
        what_is_submitted_to_a_connection_runs_in_order(pool);
        a_pumped_queue_completes_on_the_thread_that_pumps(pool);
        functions_run_on_a_thread_of_the_library_where_nothing_may_block(pool);
        a_full_queue_refuses_and_a_cancelled_request_is_completed(pool);
        futures_of_a_queue_that_is_gone_have_a_broken_promise(pool);
        a_pool_that_closes_completes_what_was_submitted(own);
        many_threads_share_one_queue(pool);
        prepared_statements_pipelines_and_packs_are_submitted_too(pool);
        a_transaction_is_submitted_step_by_step(pool);
        a_transaction_is_submitted_as_a_function(pool);
        the_function_of_a_transaction_outlives_the_queue_it_was_submitted_to(pool);
    });
}
