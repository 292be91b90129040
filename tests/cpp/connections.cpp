// What else a connection does: prepared statements, streams, COPY, pipelines, notifications, cancelling, deadlines.
#include "check.hpp"

#include <atomic>
#include <csignal>
#include <semaphore.h>
#include <thread>

using namespace std::chrono_literals;
using holdfast::connection_ref;
using holdfast::pool;

static void a_prepared_statement_runs_on_any_connection_and_knows_itself(const pool &pool)
{
    auto one = pool.acquire(), two = pool.acquire();
    const auto statement = one.prepare("select $1 + n as sum, $2 from generate_series(1, 2) n", {23, 25});
    CHECK(statement.parameters() == 2 && statement.parameter_type(0) == 23 && statement.parameter_type(1) == 25);
    CHECK(statement.parameter_type(2) == 0 && statement.columns() == 2 && statement.column(0).name == "sum");
    CHECK(statement.text().substr(0, 6) == "select");
    FAILS(holdfast::status::argument, statement.column(2));
    for (connection_ref c : {connection_ref(one), connection_ref(two)}) {
        auto result = c.execute(statement, 10, "x");
        CHECK(result[1]["sum"].as<int>() == 12 && result[1][1].as<std::string_view>() == "x");
        CHECK(c.execute(holdfast::format::text, statement, 10, "x").column(0).format == holdfast::format::text);
    }
    CHECK(pool.execute(statement, 0, std::nullopt)[0][1].is_null());
    FAILS(holdfast::status::misuse, pool.execute(statement, 0));
    auto unknown = FAILS(holdfast::status::database, one.prepare("select nothing"));
    CHECK(unknown.sqlstate() == "42703");
}

static void a_stream_goes_through_200000_rows_a_portion_at_a_time(connection_ref c)
{
    const int count = 200000;
    auto stream = c.stream("select n, repeat('x', n % 100) as text from generate_series(1, $1) n", count);
    CHECK(stream.columns() == 2 && stream.column(1).name == "text" && stream.command_tag().empty());
    std::int64_t sum = 0;
    std::size_t length = 0;
    for (auto row : stream) {
        sum += row["n"].as<int>();
        length += row[1].as<std::string_view>().size();
    }
    CHECK(sum == std::int64_t{count} * (count + 1) / 2 && length == std::size_t{count} / 100 * 4950);
    CHECK(stream.command_tag() == "SELECT 200000");

    std::size_t rows = 0, portions = 0;
    auto again = c.stream("select generate_series(1, 1000)");
    for (auto &portion : again.portions(300)) {
        CHECK(portion.size() <= 300);
        portions++;
        rows += portion.size();
        const holdfast::result kept = std::move(portion);
        CHECK(kept[0][0].as<int>() > 0);
        portion = kept.clone();
    }
    CHECK(rows == 1000 && portions == 4);
    auto none = c.stream("select 1 where false");
    CHECK(none.begin() == none.end());
}

static void a_stream_that_goes_half_way_leaves_the_connection_usable(connection_ref c)
{
    for (auto row : c.stream("select generate_series(1, 1000000)")) {
        if (row[0].as<int>() == 1500) {
            break;
        }
    }
    CHECK(c.query("select 1").one().as<int>() == 1);
    auto stream = c.stream("select generate_series(1, 1000000)");
    FAILS(holdfast::status::misuse, c.query("select 1"));
    stream = holdfast::stream();
    CHECK(c.query("select 1").one().as<int>() == 1);
    // What goes wrong on the way comes out of the loop.
    int seen = 0;
    auto failed = FAILS(holdfast::status::database, [&] {
        for (auto row : c.stream("select 10 / (5000 - n) from generate_series(1, 10000) n")) {
            seen += row.size() == 1;
        }
    }());
    CHECK(failed.sqlstate() == "22012" && seen < 5000);
    CHECK(c.query("select 1").one().as<int>() == 1);
}

static void copy_takes_rows_in_and_gives_them_out(connection_ref c)
{
    c.script("create temp table item (id int primary key, name text)");
    auto in = c.copy_in("copy item from stdin");
    for (int i = 1; i <= 1000; i++) {
        in.write(std::to_string(i) + "\tname ");
        in.write(std::to_string(i) + "\n");
    }
    CHECK(in.finish() == 1000 && c.query("select count(*) from item").one().as<int>() == 1000);

    std::string all;
    auto out = c.copy_out("copy (select * from item order by id) to stdout (format csv)");
    for (std::string_view piece : out) {
        all += piece;
    }
    CHECK(out.rows() == 1000 && all.substr(0, 22) == "1,name 1\n2,name 2\n3,na");
    CHECK(all.size() > 15 && all.substr(all.size() - 15) == "1000,name 1000\n");

    {
        auto given_up = c.copy_in("copy item from stdin");
        given_up.write("2000\tnever\n");
    }
    {
        auto aborted = c.copy_in("copy item from stdin");
        aborted.write("2001\tnever\n");
        aborted.abort("changed my mind");
    }
    auto twice = FAILS(holdfast::status::database, [&] {
        auto wrong = c.copy_in("copy item from stdin");
        wrong.write("1\ttwice\n");
        wrong.finish();
    }());
    CHECK(twice.sqlstate() == "23505" && c.query("select count(*) from item").one().as<int>() == 1000);
    {
        auto half = c.copy_out("copy (select generate_series(1, 1000000)) to stdout");
        CHECK(half.read().has_value());
    }
    CHECK(c.query("select 1").one().as<int>() == 1);
}

static void a_pipeline_says_what_became_of_each_statement(connection_ref c)
{
    c.script("create temp table seen (who text primary key, n int)");
    const auto insert = c.prepare("insert into seen values ($1, $2)");
    holdfast::pipeline statements;
    {
        // Nothing of this is needed any more when the pipeline runs.
        const std::string who = "somebody with a name that is longer than any buffer within a std::string";
        CHECK(statements.query("insert into seen values ($1, $2)", who, 1) == 0);
        CHECK(statements.execute(insert, std::string("bob"), std::nullopt) == 1);
        CHECK(statements.query("select 1 / 0") == 2 && statements.query("select count(*) from seen") == 3);
        const holdfast_param raw = {"raw", HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT};
        statements.query(holdfast::format::text, "select $1::text", raw);
    }
    CHECK(statements.size() == 5 && !statements.empty());
    auto outcomes = c.run(statements);
    CHECK(outcomes.size() == 5 && outcomes[0].ok() && outcomes[1] && !outcomes[2]);
    CHECK(outcomes[0].get().command_tag() == "INSERT 0 1" && outcomes[3].get().one().as<int>() == 2);
    CHECK(outcomes[4].get().one().as<std::string>() == "raw");
    auto failure = FAILS(holdfast::status::database, outcomes[2].get());
    CHECK(outcomes[2].error()->sqlstate() == "22012" && !outcomes[0].error());
    int failed = 0;
    for (auto outcome : outcomes) {
        failed += !outcome.ok();
    }
    CHECK(failed == 1);
    auto moved = std::move(outcomes);
    CHECK(moved[3].get().one().as<int>() == 2 && outcomes.empty());
    moved = holdfast::outcomes();
    CHECK(failure.sqlstate() == "22012" && failure.severity() == "ERROR");

    CHECK(c.query("select n is null, length(who) from seen where who = $1", "bob").one()[0].as<bool>());
    statements.clear();
    statements.query("insert into seen values ('eve', 1)");
    statements.query("insert into seen values ('bob', 2)");
    statements.query("insert into seen values ('mallory', 3)");
    auto together = c.run(statements, holdfast::pipeline_mode::together);
    CHECK(together[0].error()->status() == holdfast::status::rolled_back && together[1].error()->sqlstate() == "23505");
    FAILS(holdfast::status::rolled_back, together[2].get());
    CHECK(c.query("select count(*) from seen").one().as<int>() == 2);

    // The same text again and again.
    statements.clear();
    for (int i = 0; i < 100; i++) {
        statements.query("insert into seen values ($1, $2)", "guest " + std::to_string(i), i);
    }
    statements.query(holdfast::format::automatic, "select sum(n)::int from seen where who like $1", "guest %");
    auto many = c.run(statements);
    CHECK(many[99].get().rows_affected() == 1 && many[100].get().one().as<int>() == 4950);
    statements.query("select $1::int");
    CHECK(c.run(statements)[101].error().has_value());
}

static void what_the_server_remarks_and_notifies_arrives(const pool &pool)
{
    auto c = pool.acquire();
    c.script("do $$ begin raise notice 'first'; raise warning 'second'; end $$; listen news");
    auto notices = c.notices();
    CHECK(notices.size() == 2 && notices[0].message() == "first" && notices[1].severity() == "WARNING");
    std::string said;
    for (auto notice : notices) {
        said += notice.sqlstate();
    }
    CHECK(said == "0000001000" && c.notices().empty());

    CHECK(!c.notification(0ms) && !c.notification(20ms) && c.socket() >= 0);
    pool.query("select pg_notify('news', $1)", "it rains");
    auto notification = c.notification(5s);
    CHECK(notification && notification->channel() == "news" && notification->payload() == "it rains");
    CHECK(notification->backend_pid() != 0 && notification->backend_pid() != c.backend_pid());
    c.discard();
}

static void another_thread_cancels_what_runs(connection_ref c)
{
    const auto cancel = c.cancel_token();
    std::atomic<bool> is_over{false};
    std::thread other([&] {
        while (!is_over) { // what has not begun yet is not cancelled
            std::this_thread::sleep_for(100ms);
            cancel.fire(5s);
        }
    });
    FAILS(holdfast::status::canceled, c.query("select pg_sleep(60)"));
    is_over = true;
    other.join();
    CHECK(c.query("select 1").one().as<int>() == 1);
}

static sem_t interrupted;

/* The handler does what a handler may do, and a thread that it wakes fires. */
static void a_signal_ends_a_statement(connection_ref c)
{
    CHECK(sem_init(&interrupted, 0, 0) == 0);
    const auto usual = std::signal(SIGINT, [](int) { sem_post(&interrupted); });
    const auto cancel = c.cancel_token();
    std::atomic<bool> is_over{false};
    std::thread firing([&] {
        while (sem_wait(&interrupted) != 0) {
        }
        while (!is_over) { // what has not begun yet is not cancelled
            cancel.fire(5s);
            std::this_thread::sleep_for(10ms);
        }
    });
    std::thread pressing([] {
        std::this_thread::sleep_for(50ms);
        std::raise(SIGINT);
    });
    FAILS(holdfast::status::canceled, c.query("select pg_sleep(60)"));
    is_over = true;
    firing.join();
    pressing.join();
    std::signal(SIGINT, usual);
    sem_destroy(&interrupted);
}

static void a_statement_that_runs_past_its_deadline_fails(const pool &pool)
{
    auto c = pool.acquire();
    c.set_deadline(50ms);
    FAILS(holdfast::status::query_timeout, c.query("select pg_sleep(60)"));
    auto other = pool.acquire();
    other.set_deadline(50ms);
    other.set_deadline(std::nullopt);
    CHECK(other.query("select pg_sleep(0.1)").size() == 1);
    other.set_deadline(-5s);
    FAILS(holdfast::status::query_timeout, other.query("select pg_sleep(60)"));
}

static holdfast::cancel_token armed;

static void a_signal_handler_cancels_by_itself(connection_ref c)
{
    armed = c.cancel_token();
    CHECK(!armed.raise());
    armed.arm();
    const auto usual = std::signal(SIGINT, [](int) { armed.raise(); });
    std::thread pressing([] {
        std::this_thread::sleep_for(200ms);
        std::raise(SIGINT);
    });
    FAILS(holdfast::status::canceled, c.query("select pg_sleep(60)"));
    pressing.join();
    std::signal(SIGINT, usual);
    armed = {};
    CHECK(c.query("select 1").one().as<int>() == 1);
}

static void a_second_thread_is_told_that_the_connection_is_busy(const pool &pool)
{
    auto c = pool.acquire();
    const auto cancel = c.cancel_token();
    std::thread other([&] { FAILS(holdfast::status::canceled, c.query("select pg_sleep(60)")); });
    const auto running = [&] {
        return !pool.query("select from pg_stat_activity "
                           "where pid = $1 and query like 'select pg_sleep%' and state = 'active'",
                           c.backend_pid())
                    .empty();
    };
    while (!running()) {
        std::this_thread::sleep_for(2ms);
    }
    FAILS(holdfast::status::busy, c.query("select 1"));
    cancel.fire();
    other.join();
}

static void a_connection_knows_whose_it_is_and_what_the_server_reported(const pool &pool)
{
    auto connection = pool.acquire();
    CHECK(connection.user() == connection.query("select current_user").one().as<std::string>());
    CHECK(connection.dbname() == connection.query("select current_database()").one().as<std::string>());
    CHECK(!connection.tls_version() && !connection.tls_cipher());
    CHECK(connection.parameter("server_version") == connection.query("show server_version").one().as<std::string>());
    connection.script("set timezone = 'Europe/Zurich'");
    CHECK(connection.parameter("TimeZone") == "Europe/Zurich" && !connection.parameter("work_mem"));
    connection.discard();
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        pool pool(url);
        auto connection = pool.acquire();
        a_prepared_statement_runs_on_any_connection_and_knows_itself(pool);
        a_stream_goes_through_200000_rows_a_portion_at_a_time(connection);
        a_stream_that_goes_half_way_leaves_the_connection_usable(connection);
        copy_takes_rows_in_and_gives_them_out(connection);
        a_pipeline_says_what_became_of_each_statement(connection);
        what_the_server_remarks_and_notifies_arrives(pool);
        another_thread_cancels_what_runs(connection);
        a_signal_ends_a_statement(pool.acquire());
        a_signal_handler_cancels_by_itself(pool.acquire());
        a_statement_that_runs_past_its_deadline_fails(pool);
        a_second_thread_is_told_that_the_connection_is_busy(pool);
        a_connection_knows_whose_it_is_and_what_the_server_reported(pool);
    });
}
