// What a pool shows: events, metrics, health, who holds its connections, and all of it over HTTP.
#include "check.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;

// Waits for what other threads are about to do.
template <class Condition>
static void soon(const char *what, Condition condition)
{
    for (int i = 0; !condition(); i++) {
        if (i == 5000) {
            check_failed(__FILE__, __LINE__, what);
        }
        std::this_thread::sleep_for(2ms);
    }
}

static bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

static holdfast::config watched(const std::string &url)
{
    auto config = holdfast::config::from_url(url);
    config.set("name", "watched").set("max_size", 1);
    return config;
}

// What a function was told, by several threads perhaps.
struct told {
    // What is told is valid during the call, so texts are copied.
    struct kept {
        holdfast::event event;
        std::string reason, message;
        std::optional<holdfast::error> error;
    };

    void keep(const holdfast::event &event)
    {
        const std::lock_guard<std::mutex> hold(lock);
        last.insert_or_assign(event.kind, kept{event, std::string(event.reason), std::string(event.message), event.error()});
        counts[event.kind]++;
    }
    int count(holdfast::event_kind kind)
    {
        const std::lock_guard<std::mutex> hold(lock);
        return counts[kind];
    }
    kept of(holdfast::event_kind kind)
    {
        const std::lock_guard<std::mutex> hold(lock);
        return last.at(kind);
    }

    std::mutex lock;
    std::map<holdfast::event_kind, kept> last;
    std::map<holdfast::event_kind, int> counts;
};

static void events_tell_what_happened_to_whom_and_for_how_long(const std::string &url)
{
    using kind = holdfast::event_kind;
    auto seen = std::make_shared<told>();
    auto config = watched(url);
    config.on_event([seen](const holdfast::event &event) {
        CHECK(has(event.pool, "watched"));
        CHECK(event.time > std::chrono::system_clock::now() - 60s && event.time < std::chrono::system_clock::now() + 60s);
        seen->keep(event);
    });
    holdfast::pool pool(config);
    auto held = pool.acquire();
    const auto pid = static_cast<std::uint32_t>(held.backend_pid());
    CHECK(seen->count(kind::opened) == 1 && seen->count(kind::acquired) == 1);
    const auto opened = seen->of(kind::opened);
    CHECK(pid != 0 && opened.event.backend_pid == pid && !opened.message.empty());
    CHECK(opened.event.took && *opened.event.took > 0us && opened.event.status == holdfast::status::ok);
    CHECK(seen->of(kind::acquired).event.connection == opened.event.connection);

    holdfast::acquire_options options;
    options.timeout = 30ms;
    FAILS(holdfast::status::pool_timeout, pool.acquire(options));
    const auto timed_out = seen->of(kind::timed_out);
    CHECK(timed_out.event.status == holdfast::status::pool_timeout && timed_out.event.took >= 30ms);
    CHECK(timed_out.error && timed_out.error->status() == holdfast::status::pool_timeout);
    CHECK(timed_out.error->snapshot() && timed_out.error->snapshot()->in_use == 1 && !opened.error);
    CHECK(opened.event.connection == 1 && timed_out.event.connection == 0 && timed_out.event.backend_pid == 0);

    held.release();
    CHECK(seen->count(kind::released) == 1 && seen->of(kind::released).event.took >= 30ms);
    // After a timeout the pool looks by itself into who holds the connections.
    soon("the exhaustion is explained", [&] { return seen->count(kind::exhaustion_explained) == 1; });
    CHECK(has(seen->of(kind::exhaustion_explained).message, "1"));
    pool.close(5s);
    soon("the connection is closed", [&] { return seen->count(kind::closed) == 1; });
    const auto closed = seen->of(kind::closed);
    CHECK(closed.event.sqlstate.empty() && holdfast::name(closed.event.kind) == "closed");
    CHECK(holdfast::name(holdfast::health_status::down) == "down");
    CHECK(holdfast::circuit_name(pool.stats()) == "closed" && holdfast::limited_by_name(pool.stats()) == "nothing");
    CHECK(closed.reason == "pool_closed" && !closed.event.took && closed.event.connection == opened.event.connection);
}

static void a_connection_that_cannot_be_opened_is_told_with_its_status()
{
    auto seen = std::make_shared<told>();
    auto config = holdfast::config::from_url("postgresql://127.0.0.1:1/nobody?retry_max=1&retry_base_delay=1ms");
    config.on_event([seen](const holdfast::event &event) { seen->keep(event); });
    holdfast::pool pool(config);
    FAILS(holdfast::status::refused, pool.acquire());
    // The second attempt may share what the prober has found out, and opens nothing then.
    CHECK(seen->count(holdfast::event_kind::open_failed) >= 1 && seen->count(holdfast::event_kind::retried) == 1);
    CHECK(seen->of(holdfast::event_kind::open_failed).event.status == holdfast::status::refused);
    CHECK(pool.health().last_error && *pool.health().last_error < 60s && !pool.health().last_success);
}

static void what_a_function_throws_or_asks_for_harms_nobody(const std::string &url)
{
    std::atomic<int> calls = 0, refused = 0;
    auto config = watched(url);
    const holdfast::pool *asked = nullptr;
    config.on_event([&](const holdfast::event &event) {
        calls++;
        if (event.kind == holdfast::event_kind::released) {
            FAILS(holdfast::status::reentrant, asked->acquire());
            FAILS(holdfast::status::reentrant, asked->explain_exhaustion());
            // What does not block is allowed.
            CHECK(asked->health().live && has(asked->metrics(), "holdfast_checkouts_total"));
            refused++;
        }
        throw std::runtime_error("what is thrown here is nobody's concern");
    });
    holdfast::pool pool(config);
    asked = &pool;
    CHECK(pool.query("select 1").size() == 1 && pool.query("select 2").size() == 1);
    CHECK(calls >= 5 && refused == 2);
    pool.close(5s);
    // The pool's last events must not find this function's variables gone.
    soon("everything was told", [&] { return calls >= 6; });
}

static void a_function_goes_exactly_once_with_the_last_that_needs_it(const std::string &url)
{
    auto held = std::make_shared<int>(0);
    const auto listen = [held](const holdfast::event &) {};
    {
        auto config = watched(url);
        config.on_event(listen);
        const auto with_config = held.use_count();
        CHECK(with_config == 3);
        auto copy = config.clone();
        CHECK(held.use_count() == with_config);
        config.on_event(nullptr);
        CHECK(held.use_count() == with_config);
        copy.on_event(nullptr);
        CHECK(held.use_count() == 2);

        config.on_event(listen);
        holdfast::pool pool(config);
        // The pool goes on telling, although its configuration does not any more.
        config.on_event({});
        CHECK(held.use_count() == 3);
        CHECK(pool.query("select 1").size() == 1);
    }
    soon("the function is forgotten", [&] { return held.use_count() == 2; });

    auto empty = watched(url);
    auto taken = std::move(empty);
    FAILS(holdfast::status::null, empty.on_event(listen));
    CHECK(held.use_count() == 2);
}

static void health_is_told_in_types_of_its_own(const std::string &url)
{
    holdfast::pool pool(watched(url));
    const auto unused = pool.health();
    CHECK(unused.status == holdfast::health_status::healthy && unused.live && unused.ready);
    CHECK(!unused.last_success && !unused.last_error && !unused.last_probe && unused.alerts == 0 && unused.reasons == 0);
    CHECK(pool.query("select 1").size() == 1);
    const auto used = pool.health();
    CHECK(used.last_success && *used.last_success < 60s);
    CHECK(has(pool.metrics(holdfast::metrics_format::words), "healthy; the server was last heard of"));
    pool.close();
    const auto closed = pool.health();
    CHECK(closed.status == holdfast::health_status::down && !closed.live && !closed.ready && closed.reasons == 1);
    CHECK(has(pool.metrics(holdfast::metrics_format::words), "the pool was closed"));
    FAILS(holdfast::status::null, holdfast::pool().health());
}

static void metrics_come_in_every_format_and_no_other(const std::string &url)
{
    holdfast::pool pool(watched(url));
    CHECK(pool.query("select 1").size() == 1);
    CHECK(has(pool.metrics(), "holdfast_checkouts_total{db_client_connection_pool_name=\"watched\"} 1\n"));
    const auto open = pool.metrics(holdfast::metrics_format::openmetrics);
    CHECK(open.size() > 6 && open.compare(open.size() - 6, 6, "# EOF\n") == 0);
    const auto json = pool.metrics(holdfast::metrics_format::json);
    CHECK(json.front() == '{' && json.back() == '}' && has(json, "\"schema\":\"holdfast.stats.v1\""));
    CHECK(pool.stats().validations == 0);
    FAILS(holdfast::status::argument, pool.metrics(static_cast<holdfast::metrics_format>(99)));
    FAILS(holdfast::status::null, holdfast::pool().metrics());
}

static void who_holds_the_connections_is_told_in_words_and_as_json(const std::string &url)
{
    holdfast::pool pool(watched(url));
    {
        auto held = pool.acquire();
        CHECK(has(pool.explain_exhaustion(), "1 checked out, 0 idle"));
    }
    CHECK(has(pool.explain_exhaustion(holdfast::metrics_format::json), "\"max_connections\":"));
    FAILS(holdfast::status::argument, pool.explain_exhaustion(holdfast::metrics_format::prometheus));
    FAILS(holdfast::status::null, holdfast::pool().explain_exhaustion());
}

static void a_pool_is_served_for_as_long_as_its_server_lives(const std::string &url)
{
    holdfast::pool pool(watched(url));
    std::string address;
    {
        auto server = pool.serve("127.0.0.1:0");
        CHECK(server && has(server.url(), "http://127.0.0.1:"));
        address = server.url().substr(std::string_view("http://").size());
        address.pop_back();
        auto moved = std::move(server);
        CHECK(!server && server.url().empty() && moved);
        // Its address is taken, until it goes.
        FAILS(holdfast::status::config, pool.serve(address));
    }
    CHECK(has(pool.serve(address).url(), address));
    FAILS(holdfast::status::config, pool.serve("0.0.0.0:0"));
    holdfast::serve_options options;
    options.token = "sesame";
    options.beyond_loopback = true;
    CHECK(!has(pool.serve("0.0.0.0:0", options).url(), "sesame"));
    FAILS(holdfast::status::null, holdfast::pool().serve("127.0.0.1:0"));
    CHECK(holdfast::server().url().empty() && !holdfast::server());
}

// The host is about to end: what it gave is not called any more.
static void a_silenced_pool_and_queue_call_nothing(const std::string &url)
{
    std::atomic<int> calls{0};
    auto config = watched(url);
    config.on_event([&](const holdfast::event &) { calls++; });
    holdfast::pool pool(config);
    holdfast::queue queue;
    CHECK(pool.submit(queue, "select 1").get().one().as<int>() == 1 && calls > 0);
    pool.silence(10s);
    queue.silence(10s);
    const int before = calls;
    auto future = pool.submit(queue, "select 2");
    CHECK(queue.wait(20s) && calls == before);
    CHECK(queue.pump() == 1 && future.get().one().as<int>() == 2);
    FAILS(holdfast::status::null, holdfast::pool().silence(0ms));
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        events_tell_what_happened_to_whom_and_for_how_long(url);
        a_connection_that_cannot_be_opened_is_told_with_its_status();
        what_a_function_throws_or_asks_for_harms_nobody(url);
        a_function_goes_exactly_once_with_the_last_that_needs_it(url);
        health_is_told_in_types_of_its_own(url);
        metrics_come_in_every_format_and_no_other(url);
        who_holds_the_connections_is_told_in_words_and_as_json(url);
        a_pool_is_served_for_as_long_as_its_server_lives(url);
        a_silenced_pool_and_queue_call_nothing(url);
    });
}
