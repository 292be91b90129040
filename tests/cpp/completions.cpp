// What a completion can have besides a result: parts before it, notices, the report of a closed pool.
#include "check.hpp"

#include <atomic>
#include <thread>

using namespace std::chrono_literals;
using holdfast::completion;
using holdfast::pool;
using holdfast::queue;
using holdfast::result;

/* Fails the test instead of hanging it. */
template <class T>
static T take(std::future<T> &&future)
{
    CHECK(future.wait_for(30s) == std::future_status::ready);
    return future.get();
}

static holdfast::pipeline numbers(int count)
{
    holdfast::pipeline work;
    for (int i = 0; i < count; i++) {
        work.query("select $1::int", i);
    }
    return work;
}

static void outcomes_come_one_by_one_and_then_the_end(const pool &pool)
{
    queue queue;
    auto connection = pool.acquire();
    auto work = numbers(5);
    work.query("select 1 / 0");
    for (int i = 0; i < 2; i++) {
        std::vector<std::size_t> seen;
        std::size_t failed = 0;
        const auto on_outcome = [&](std::size_t index, completion<result> done) {
            seen.push_back(index);
            if (done) {
                CHECK(done.get().one().as<std::size_t>() == index);
            } else {
                CHECK(done.error()->sqlstate() == "22012");
                failed++;
            }
        };
        take(i == 0 ? pool.submit_run_in_parts(queue, work, on_outcome)
                    : connection.submit_run_in_parts(queue, work, on_outcome));
        CHECK((seen == std::vector<std::size_t>{0, 1, 2, 3, 4, 5}) && failed == 1);
    }
    // Nothing is certain before the commit, and then nothing of it was done.
    std::size_t undone = 0;
    take(pool.submit_run_in_parts(
        queue, work, [&](std::size_t, completion<result> done) { undone += done ? 0U : 1U; },
        holdfast::pipeline_mode::together));
    CHECK(undone == 6 && queue.pending() == 0);
}

static void the_end_may_go_to_a_function(const pool &pool)
{
    queue queue;
    std::promise<std::size_t> ended;
    std::size_t parts = 0;
    pool.submit_run_in_parts(queue.then([&](completion<void> done) {
        done.get();
        ended.set_value(parts);
    }),
                             numbers(3), [&](std::size_t, completion<result>) { parts++; });
    CHECK(take(ended.get_future()) == 3);
}

static void parts_keep_their_order_and_one_call_at_a_time_though_many_threads_pump(const pool &pool)
{
    holdfast::queue_options options;
    options.pumped = true;
    queue queue(options);
    std::atomic<bool> over = false;
    std::vector<std::thread> pumping;
    for (int i = 0; i < 3; i++) {
        pumping.emplace_back([&] {
            while (!over) {
                queue.wait(10ms);
                queue.pump();
            }
        });
    }
    const auto work = numbers(40);
    for (int round = 0; round < 50; round++) {
        std::atomic<int> inside = 0;
        std::size_t next = 0;
        take(pool.submit_run_in_parts(queue, work, [&](std::size_t index, completion<result> done) {
            CHECK(inside++ == 0 && index == next++ && done.ok());
            // Further parts that this finds come after the call.
            if (index % 8 == 0) {
                queue.pump();
            }
            inside--;
        }));
        CHECK(next == 40);
    }
    over = true;
    for (auto &thread : pumping) {
        thread.join();
    }
}

static void a_queue_may_go_in_the_midst_of_parts(const pool &pool)
{
    std::future<void> future;
    auto witness = std::make_shared<int>(0);
    {
        queue queue;
        std::promise<void> begun;
        holdfast::pipeline work;
        work.query("select 1");
        work.query("select pg_sleep(0.3)");
        // Destroyed with the queue, or later by the thread that runs it.
        future = pool.submit_run_in_parts(queue, work, [&begun, witness](std::size_t index, completion<result>) {
            if (index == 0) {
                begun.set_value();
            }
        });
        take(begun.get_future());
    }
    try {
        take(std::move(future));
        CHECK(false);
    } catch (const std::future_error &) {
    }
    for (int i = 0; i < 20000 && witness.use_count() > 1; i++) {
        std::this_thread::sleep_for(1ms);
    }
    CHECK(witness.use_count() == 1);
}

static void parts_that_do_not_fit_are_refused(const pool &pool)
{
    holdfast::queue_options options;
    options.capacity = 3;
    queue queue(options);
    const auto ignore = [](std::size_t, completion<result>) {};
    FAILS(holdfast::status::queue_full, pool.submit_run_in_parts(queue, numbers(3), ignore));
    take(pool.submit_run_in_parts(queue, numbers(2), ignore));
}

static void what_the_server_remarks_comes_with_a_completion(const pool &pool)
{
    queue queue;
    holdfast::submit_options options;
    options.notices = true;
    std::promise<std::string> heard;
    pool.submit(queue.then([&](completion<result> done) {
        CHECK(done.ok() && done.notices().size() == 1);
        heard.set_value(std::string(done.notices()[0].severity()) + ": " + std::string(done.notices()[0].message()));
    }),
                options, "do $$ begin raise warning 'mind the gap'; end $$");
    CHECK(take(heard.get_future()) == "WARNING: mind the gap");
    // A future has no place for them, and loses none of its own.
    CHECK(take(pool.submit(queue, options, "select 7")).one().as<int>() == 7);
    std::promise<std::size_t> failed;
    pool.submit_script(queue.then([&](completion<holdfast::results> done) {
        CHECK(!done.ok());
        failed.set_value(done.notices().size());
    }),
                       "do $$ begin raise notice 'so far'; end $$; select 1 / 0", options);
    CHECK(take(failed.get_future()) == 1);
}

static void a_pool_is_closed_through_a_queue(const std::string &url)
{
    queue queue;
    pool one(url);
    one.query("select 1");
    auto future = one.submit_close(queue, 20s);
    const auto left = one.clone();
    one = pool(url);
    const auto report = take(std::move(future));
    CHECK(report.idle_closed == 1 && report.cut == 0 && report.elapsed_us > 0 && left.is_closed() && !one.is_closed());

    std::promise<std::uint32_t> cut;
    auto held = one.acquire();
    one.submit_close(queue.then([&](completion<holdfast::close_report> done) { cut.set_value(done.get().cut); }), 50ms);
    CHECK(take(cut.get_future()) == 1);
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        pool pool(url);
        outcomes_come_one_by_one_and_then_the_end(pool);
        the_end_may_go_to_a_function(pool);
        parts_keep_their_order_and_one_call_at_a_time_though_many_threads_pump(pool);
        a_queue_may_go_in_the_midst_of_parts(pool);
        parts_that_do_not_fit_are_refused(pool);
        what_the_server_remarks_comes_with_a_completion(pool);
        a_pool_is_closed_through_a_queue(url);
    });
}
