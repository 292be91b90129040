// Configurations, log records, figures, closing, and errors of a pool that has no connection to give.
#include "check.hpp"

#include <mutex>
#include <thread>

using namespace std::chrono_literals;

static void options_are_set_from_texts_numbers_and_durations(const std::string &url)
{
    auto config = holdfast::config::production();
    config.set_url(url).set("max_size", 3).set("idle_timeout", 90s).set("keepalives", false);
    config.set("retry_jitter", 0.5).set("retry_base_delay", 1500us).set("application_name", std::string("tests"));
    CHECK(config.get("max_size") == "3" && config.get("keepalives") == "false" && config.get("retry_jitter") == "0.5");
    CHECK(config.get("idle_timeout") == "90s" && config.get("application_name") == "tests" && !config.get("sslkey"));
    config.validate();

    auto copy = config.clone();
    copy.set("max_size", 4);
    CHECK(config.get("max_size") == "3" && copy.get("max_size") == "4");
    auto unknown = FAILS(holdfast::status::config, config.set("max_sise", 3));
    CHECK(std::string(unknown.what()).find("max_size") != std::string::npos);
    FAILS(holdfast::status::config, config.set("max_size", "many"));
    FAILS(holdfast::status::config, holdfast::config::from_url("postgresql://localhost?no_such_option=1"));
    FAILS(holdfast::status::config, holdfast::pool("postgresql://localhost?no_such_option=1"));

    holdfast::pool pool(config);
    CHECK(pool.query("show application_name").one().as<std::string>() == "tests" && pool.stats().max_size == 3);
    CHECK(holdfast::config::development().get("max_size") == "5" && holdfast::config().get("max_size").has_value());

    const auto all = holdfast::options();
    CHECK(all.size() == holdfast_option_count() && all[0].key.len > 0);
    CHECK(holdfast::version() == HOLDFAST_VERSION);
    holdfast::check_version();
}

static void log_records_reach_a_function_that_goes_with_the_last_pool(const std::string &url)
{
    auto told = std::make_shared<std::vector<std::string>>();
    std::mutex lock;
    {
        auto config = holdfast::config::from_url(url);
        config.on_log(holdfast::log_level::debug, [told, &lock](const holdfast::log_record &record) {
            const std::lock_guard<std::mutex> hold(lock);
            CHECK(!record.message.empty() && !record.pool.empty() && record.level <= holdfast::log_level::debug);
            CHECK(std::chrono::system_clock::now() - record.time < 60s);
            told->push_back(std::string(record.message));
            throw std::runtime_error("what a log throws is nobody's concern");
        });
        CHECK(told.use_count() == 2);
        holdfast::pool pool(config);
        auto connection = pool.acquire();
        connection.query("begin");
        connection.discard();
        pool.close(5s);
    }
    CHECK(!told->empty());
    // The last work of a pool may be under way on another thread for a moment.
    for (int i = 0; told.use_count() > 1; i++) {
        CHECK(i < 5000);
        std::this_thread::sleep_for(1ms);
    }
    auto config = holdfast::config::from_url(url);
    config.on_log(holdfast::log_level::trace, [told](const holdfast::log_record &) {});
    config.on_log(holdfast::log_level::off, nullptr);
    CHECK(told.use_count() == 1);
}

static void an_exhausted_pool_says_how_it_stood(const std::string &url)
{
    auto config = holdfast::config::from_url(url);
    config.set("max_size", 1);
    holdfast::pool pool(config);
    auto held = pool.acquire();
    holdfast::acquire_options options;
    options.timeout = 50ms;
    auto busy = FAILS(holdfast::status::pool_timeout, pool.acquire(options));
    const auto snapshot = busy.snapshot();
    CHECK(snapshot && snapshot->max_size == 1 && snapshot->in_use == 1 && busy.phase() == "queue");
    CHECK(busy.elapsed() >= 50ms && busy.retryable() && busy.attempts().empty());
    holdfast::query_options query;
    query.connection.timeout = 1ms;
    FAILS(holdfast::status::pool_timeout, pool.query(query, "select 1"));
    held.release();
    // After a timeout the pool itself has a question for the server, over the connection that comes back.
    query.connection.timeout = 10s;
    CHECK(pool.query(query, "select 1").size() == 1);
    query.results = holdfast::format::text;
    CHECK(pool.query(query, "select 1").column(0).format == holdfast::format::text);
}

static void an_idempotent_statement_outlives_its_connection(const std::string &url)
{
    const std::string end_the_session = "select case when nextval('runs') = 1 then pg_terminate_backend(pg_backend_pid()) end";
    const std::string again = "drop sequence if exists runs; create sequence runs";
    holdfast::pool pool(url);
    pool.acquire().script(again);
    FAILS(holdfast::status::connection_lost, pool.query(end_the_session));
    holdfast::query_options may_be_repeated;
    may_be_repeated.idempotent = true;
    pool.acquire().script(again);
    CHECK(pool.query(may_be_repeated, end_the_session).size() == 1);
    pool.acquire().script(again);
    holdfast::queue queue;
    holdfast::submit_options submitted;
    submitted.idempotent = true;
    CHECK(pool.submit(queue, submitted, end_the_session).get().size() == 1);
    auto connection = pool.acquire();
    FAILS(holdfast::status::argument, connection.submit(queue, submitted, "select 1"));
    pool.acquire().script("drop sequence runs");
}

static void failed_attempts_are_told_one_by_one()
{
    holdfast::pool pool("postgresql://127.0.0.1:1/nobody?retry_base_delay=1ms&retry_max=2");
    auto refused = FAILS(holdfast::status::refused, pool.acquire());
    const auto attempts = refused.attempts();
    CHECK(refused.remedy().find("check that the server runs") == 0 && !refused.parameters());
    CHECK(attempts.size() == 3 && refused.kind() == "refused" && refused.phase() == "connect");
    for (const auto &attempt : attempts) {
        CHECK(attempt.status == holdfast::status::refused && attempt.phase == "connect" && attempt.target == "127.0.0.1:1");
        CHECK(!attempt.cause.empty() && attempt.sqlstate.empty());
    }
    CHECK(attempts[0].backoff > 0us && attempts[2].backoff == 0us && attempts[0].age >= attempts[2].age);
    holdfast::acquire_options never;
    never.retries = 0;
    CHECK(FAILS(holdfast::status::refused, pool.acquire(never)).attempts().size() == 1);
}

static void a_closed_pool_reports_and_refuses(const std::string &url)
{
    holdfast::pool pool(url);
    CHECK(pool.query("select 1").size() == 1 && !pool.is_closed() && !pool.target().empty());
    const auto stats = pool.stats();
    CHECK(stats.gets == 1 && stats.opens == 1 && stats.idle == 1);
    const auto report = pool.close();
    CHECK(report.idle_closed == 1 && report.cut == 0 && pool.is_closed());
    FAILS(holdfast::status::pool_closed, pool.acquire());
    FAILS(holdfast::status::pool_closed, pool.try_acquire());
}

static void idle_connections_are_released_on_demand(const std::string &url)
{
    holdfast::pool pool(url);
    const auto pid = pool.acquire().backend_pid();
    CHECK(pool.release_idle() == 1 && pool.release_idle() == 0);
    pool.wait_until_warm(2, 10s);
    pool.ping(10s);
    CHECK(pool.stats().idle == 2 && pool.release_idle() == 2);
    FAILS(holdfast::status::misuse, pool.wait_until_warm(1000, 10s));
    const auto stats = pool.stats();
    CHECK(stats.total == 0 && stats.closed_released == 3 && pool.acquire().backend_pid() != pid);
}

static void the_size_changes_at_run_time(const std::string &url)
{
    holdfast::pool pool(url);
    FAILS(holdfast::status::misuse, pool.set_max_size(0));
    pool.set_max_size(2);
    pool.wait_until_warm(2, 10s);
    pool.set_max_size(1);
    const auto stats = pool.stats();
    CHECK(stats.max_size == 1 && stats.idle == 1 && stats.closed_surplus == 1);
}

static void every_new_session_is_set_up_by_a_function(const std::string &url)
{
    auto config = holdfast::config::from_url(url);
    config.set("retry_max", 0);
    auto runs = std::make_shared<int>(0);
    config.on_connect([runs](holdfast::connection_ref connection) {
        switch (++*runs) {
        case 1:
            connection.query("select * from no_such_table");
            break;
        case 2:
            throw std::runtime_error("something else");
        default:
            connection.query("set holdfast.tenant = 'seven'");
        }
    });
    {
        holdfast::pool pool(config);
        const auto error = FAILS(holdfast::status::database, pool.acquire());
        CHECK(error.sqlstate() == "42P01" && error.phase() == "setup");
        FAILS(holdfast::status::config, pool.acquire());
        CHECK(pool.query("show holdfast.tenant").one().as<std::string>() == "seven" && *runs == 3);
    }
    config.on_connect(nullptr);
    CHECK(holdfast::pool(config).query("select 1").one().as<int>() == 1 && *runs == 3);
}

static void passwords_come_from_a_function_at_each_opening(const std::string &url)
{
    auto asked = std::make_shared<int>(0);
    auto config = holdfast::config::from_url(url);
    // As in scheme://user:password@host.
    const auto begin = url.find(':', url.find("://") + 3) + 1;
    const auto right = url.substr(begin, url.find('@') - begin);
    config.set("retry_max", 0).password_with([asked, right](const holdfast::password_request &session) -> std::string {
        CHECK(!session.host.empty() && session.port != 0 && !session.user.empty() && !session.dbname.empty());
        CHECK(session.timeout > 0ms && session.timeout <= 8s && !session.was_refused);
        switch ((*asked)++) {
        case 0: throw std::runtime_error("the vault is sealed");
        case 1: throw 7;
        case 2: return std::string("a\0b", 3);
        default: return right;
        }
    });
    {
        holdfast::pool pool(config);
        for (const auto *words : {"the vault is sealed", "no std::exception", "NUL"}) {
            auto failed = FAILS(holdfast::status::auth, pool.acquire());
            CHECK(failed.retryable() && std::string(failed.what()).find(words) != std::string::npos);
        }
        CHECK(pool.query("select 1").size() == 1 && *asked == 4);
        config.password_with({});
        CHECK(asked.use_count() == 2);
    }
    for (int i = 0; asked.use_count() > 1; i++) {
        CHECK(i < 5000);
        std::this_thread::sleep_for(1ms);
    }
}

static void an_echo_pool_needs_no_server()
{
    auto pool = holdfast::pool::echo();
    CHECK(pool.target() == "echo" && pool.query("select $1", "hello").one().as<std::string>() == "hello");
    CHECK(pool.query("echo:rows 3")[2]["word"].as<std::string>() == "row 3");
    auto said = FAILS(holdfast::status::database, pool.query("echo:error 23505 that was there already"));
    CHECK(said.sqlstate() == "23505" && said.message() == "that was there already");
    auto config = holdfast::config();
    config.set("max_size", 2);
    CHECK(holdfast::pool::echo(config).stats().max_size == 2);
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        options_are_set_from_texts_numbers_and_durations(url);
        log_records_reach_a_function_that_goes_with_the_last_pool(url);
        an_exhausted_pool_says_how_it_stood(url);
        an_idempotent_statement_outlives_its_connection(url);
        failed_attempts_are_told_one_by_one();
        a_closed_pool_reports_and_refuses(url);
        idle_connections_are_released_on_demand(url);
    the_size_changes_at_run_time(url);
        every_new_session_is_set_up_by_a_function(url);
        passwords_come_from_a_function_at_each_opening(url);
        an_echo_pool_needs_no_server();
    });
}
