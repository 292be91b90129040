/* Submitting and fetching: every kind of request, its limits, cancelling, and what happens when pool or queue go first. */
#include "../queues.h"

#include <stddef.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_query_is_answered_with_what_was_submitted(holdfast_pool *pool)
{
    holdfast_queue *queue;
    holdfast_error *error;
    holdfast_submit_options options = {.struct_size = sizeof options, .result_format = HOLDFAST_FORMAT_BINARY};
    char sql[] = "select $1::int8 + $2::int8, $3::text";
    char text[] = "kept";
    holdfast_param params[] = {{"40", HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT},
                               {"\0\0\0\0\0\0\0\2", 8, 20, HOLDFAST_FORMAT_BINARY},
                               {text, 4, 0, HOLDFAST_FORMAT_TEXT}};
    holdfast_completion done;
    int64_t sum = 0;
    uint64_t number = 0;

    OK(holdfast_queue_new(NULL, &queue, &error));
    CHECK(!holdfast_queue_wait(queue, 0) && holdfast_queue_pending(queue) == 0);
    OK(holdfast_submit_query(pool, queue, 77, &options, sql, sizeof sql - 1, params, 3, &number, &error));
    /* The library has copied all of it. */
    memset(sql, 'x', sizeof sql);
    memset(text, 'x', sizeof text);
    memset(params, 0, sizeof params);
    CHECK(holdfast_queue_pending(queue) == 1);
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_OK && done.tag == 77 && done.request == number);
    CHECK(done.kind == HOLDFAST_SUBMIT_QUERY);
    CHECK(done.result != NULL && done.results == NULL && done.connection == NULL);
    OK(holdfast_result_i64(done.result, 0, 0, &sum, &error));
    CHECK(sum == 42);
    CHECK(is((holdfast_str){(const char *)holdfast_result_cell(done.result, 0, 1).ptr, 4}, "kept"));
    CHECK(holdfast_queue_pending(queue) == 0);
    discard(done);

    submit(pool, queue, 1, "select pg_sleep(0.2)");
    done = next(queue);
    CHECK(done.running_us >= 200000 && done.running_us < 10000000 && done.queued_us < 10000000);
    discard(done);

    submit(pool, queue, 2, "select 1/0");
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_DATABASE && is(holdfast_error_sqlstate(done.error), "22012"));
    CHECK(done.result == NULL);
    discard(done);

    options.deadline_ms = 100;
    OK(holdfast_submit_query(pool, queue, 3, &options, "select pg_sleep(60)", HOLDFAST_NUL, NULL, 0, NULL, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_QUERY_TIMEOUT && done.running_us < 10000000);
    discard(done);
    holdfast_queue_free(queue);
}

static void what_cannot_be_is_refused_and_leaves_nothing_behind(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(2), *none = queue;
    holdfast_error *error;
    holdfast_completion done[4];
    holdfast_submit_options options = {.struct_size = sizeof options, .retries = -2};
    holdfast_queue_options wrong = {.struct_size = 4};
    holdfast_param param = {"1", HOLDFAST_NUL, 0, 7};
    uint64_t number;

    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_queue_new(&wrong, &none, &error));
    CHECK(none == NULL);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_queue_new(NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_submit_query(NULL, queue, 1, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_submit_query(pool, NULL, 1, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_submit_query(pool, queue, 1, NULL, "\xff", 1, NULL, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_query(pool, queue, 1, NULL, "select $1", HOLDFAST_NUL, &param, 1, NULL, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_acquire(pool, queue, 1, &options, NULL, &error));
    options.retries = 0;
    options.result_format = 9;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_acquire(pool, queue, 1, &options, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_connection_query(NULL, queue, 1, NULL, "select 1", HOLDFAST_NUL, NULL,
                                                                 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_connection_script(NULL, queue, 1, NULL, "", 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_submit_acquire(pool, (holdfast_queue *)pool, 1, NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_request_cancel(queue, 12345, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_request_cancel(NULL, 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_queue_on_ready(NULL, NULL, NULL, NULL, &error));
    CHECK(holdfast_queue_fd(NULL) == -1 && !holdfast_queue_wait(NULL, 1000));
    CHECK(holdfast_queue_pending(NULL) == 0 && holdfast_queue_drain(NULL, done, 4, sizeof done[0]) == 0);
    CHECK(holdfast_queue_pending(queue) == 0);

    submit(pool, queue, 1, "select 1");
    number = submit(pool, queue, 2, "select 2");
    FAILS(HOLDFAST_STATUS_QUEUE_FULL,
          holdfast_submit_query(pool, queue, 3, NULL, "select 3", HOLDFAST_NUL, NULL, 0, NULL, &error));
    while (holdfast_queue_pending(queue) > 0) {
        CHECK(holdfast_queue_wait(queue, 20000));
        CHECK(holdfast_queue_drain(queue, NULL, 4, sizeof done[0]) == 0);
        CHECK(holdfast_queue_drain(queue, done, 0, sizeof done[0]) == 0);
        CHECK(holdfast_queue_drain(queue, done, 4, offsetof(holdfast_completion, stream) - 8) == 0);
        size_t count = holdfast_queue_drain(queue, done, 4, sizeof done[0]);
        for (size_t i = 0; i < count; i++)
            discard(done[i]);
    }
    OK(holdfast_request_cancel(queue, number, &error)); /* it is over */
    submit(pool, queue, 3, "select 3");
    discard(next(queue));
    holdfast_queue_free(queue);
    holdfast_queue_free(NULL);
}

/* A program that knows a later version's completion, with more at its end. */
static void a_completion_that_grew_is_zero_beyond_what_this_version_knows(holdfast_pool *pool)
{
    struct {
        holdfast_completion known;
        uint64_t later[2];
    } done[2];
    holdfast_queue *queue = open_queue(0);

    memset(done, 0xff, sizeof done);
    submit(pool, queue, 1, "select 1");
    submit(pool, queue, 2, "select 2");
    for (size_t count = 0; count < 2;) {
        CHECK(holdfast_queue_wait(queue, 20000));
        count += holdfast_queue_drain(queue, &done[count].known, 2 - count, sizeof done[0]);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(done[i].known.tag == 1 || done[i].known.tag == 2);
        CHECK(done[i].later[0] == 0 && done[i].later[1] == 0);
        discard(done[i].known);
    }
    holdfast_queue_free(queue);
}

static void cancelling_ends_what_waits_and_what_runs(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection;
    holdfast_completion done;
    holdfast_error *error;
    uint64_t running, waiting, acquiring, numbers[3];
    double begun = now();

    running = submit(pool, queue, 1, "select pg_sleep(60)");
    waiting = submit(pool, queue, 2, "select 1");
    OK(holdfast_submit_acquire(pool, queue, 3, NULL, &acquiring, &error));
    wait_until_runs(url, "select pg_sleep(60)");
    OK(holdfast_request_cancel(queue, waiting, &error));
    OK(holdfast_request_cancel(queue, acquiring, &error));
    for (uint64_t tag = 2; tag < 4; tag++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_CANCELED && done.tag == tag);
        CHECK(holdfast_error_is_retryable(done.error) && done.running_us == 0);
        discard(done);
    }
    OK(holdfast_request_cancel(queue, running, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_CANCELED && done.tag == 1);
    CHECK(is(holdfast_error_sqlstate(done.error), "57014"));
    discard(done);

    connection = acquire_by_queue(pool, queue);
    for (int i = 0; i < 3; i++)
        OK(holdfast_submit_connection_query(connection, queue, (uint64_t)i, NULL,
                                            i == 0 ? "select pg_sleep(60)" : "select 1", HOLDFAST_NUL, NULL, 0,
                                            &numbers[i], &error));
    wait_until_runs(url, "select pg_sleep(60)");
    OK(holdfast_request_cancel(queue, numbers[1], &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_CANCELED && done.tag == 1);
    discard(done);
    OK(holdfast_request_cancel(queue, numbers[0], &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_CANCELED && done.tag == 0);
    discard(done);
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_OK && done.tag == 2);
    discard(done);
    /* With or without a worker on it, a cancelled request is no longer in the way. */
    for (int i = 0; i < 20; i++) {
        holdfast_result *result;
        OK(holdfast_submit_connection_query(connection, queue, 9, NULL, "select pg_sleep(60)", HOLDFAST_NUL, NULL, 0,
                                            &numbers[0], &error));
        OK(holdfast_request_cancel(queue, numbers[0], &error));
        if (i % 2)
            pause_ms(2);
        OK(holdfast_request_cancel(queue, numbers[0], &error));
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_CANCELED);
        discard(done);
        OK(holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
        holdfast_result_free(result);
    }
    holdfast_connection_release(connection);
    CHECK(now() - begun < 30);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void all_are_answered_when_the_pool_closes(const char *url, bool frees)
{
    holdfast_pool *pool = open_pool(url, "2");
    holdfast_queue *queue = open_queue(0);
    holdfast_completion done;
    holdfast_error *error;
    int ended_well = 0;

    for (uint64_t tag = 0; tag < 10; tag++)
        submit(pool, queue, tag, "select pg_sleep(1)");
    wait_until_in_use(pool, 2);
    if (frees) {
        holdfast_pool_free(pool);
    } else {
        OK(holdfast_pool_close(pool, 5000, NULL, &error));
        FAILS(HOLDFAST_STATUS_POOL_CLOSED,
              holdfast_submit_query(pool, queue, 1, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
        holdfast_pool_free(pool);
    }
    for (int i = 0; i < 10; i++) {
        done = next(queue);
        ended_well += done.status == HOLDFAST_STATUS_OK;
        CHECK(done.status == HOLDFAST_STATUS_OK || done.status == HOLDFAST_STATUS_POOL_CLOSED);
        discard(done);
    }
    CHECK(ended_well == 2 && holdfast_queue_pending(queue) == 0);
    holdfast_queue_free(queue);
}

static void a_queue_freed_early_takes_what_it_holds_with_it(const char *url)
{
    holdfast_pool *pool = open_pool(url, "2");
    holdfast_queue *queue = open_queue(0);
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};
    double begun = now();

    submit(pool, queue, 0, "select 'never fetched'");
    for (uint64_t tag = 1; tag < 6; tag++)
        OK(holdfast_submit_acquire(pool, queue, tag, NULL, NULL, &error));
    submit(pool, queue, 7, "select 'never run'");
    wait_until_in_use(pool, 2);
    holdfast_queue_free(queue);
    do {
        CHECK(now() - begun < 10);
        pause_ms(5);
        OK(holdfast_pool_stats(pool, &stats, &error));
    } while (stats.in_use > 0);
    CHECK(stats.idle == 2);
    holdfast_pool_free(pool);
}

/* The state of the next test's callback. */
struct watch {
    holdfast_pool *pool;
    holdfast_queue *queue;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls, drained, destroyed;
};

static void on_ready(void *user_data)
{
    struct watch *watch = user_data;
    holdfast_completion done[8];
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;
    double begun;
    size_t count;

    FAILS(HOLDFAST_STATUS_REENTRANT, holdfast_pool_acquire(watch->pool, NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_REENTRANT,
          holdfast_pool_query(watch->pool, NULL, "select 1", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    watch->calls++;
    while ((count = holdfast_queue_drain(watch->queue, done, 8, sizeof done[0])) > 0) {
        for (size_t i = 0; i < count; i++) {
            CHECK(done[i].status == HOLDFAST_STATUS_OK);
            if (++watch->drained < 20)
                submit(watch->pool, watch->queue, 1, "select 1");
            discard(done[i]);
        }
    }
    begun = now();
    holdfast_queue_wait(watch->queue, 60000); /* waits for nothing in here */
    CHECK(now() - begun < 30);
    CHECK(pthread_cond_signal(&watch->changed) == 0);
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
}

static void count_destroyed(void *user_data)
{
    struct watch *watch = user_data;
    CHECK(pthread_mutex_lock(&watch->lock) == 0);
    watch->destroyed++;
    CHECK(pthread_cond_signal(&watch->changed) == 0);
    CHECK(pthread_mutex_unlock(&watch->lock) == 0);
}

static void a_callback_hears_when_something_waits_and_may_go_on(const char *url)
{
    struct watch watch = {.pool = open_pool(url, "1"), .queue = open_queue(0)};
    holdfast_error *error;

    CHECK(pthread_mutex_init(&watch.lock, NULL) == 0 && pthread_cond_init(&watch.changed, NULL) == 0);
    OK(holdfast_queue_on_ready(watch.queue, on_ready, &watch, count_destroyed, &error));
    submit(watch.pool, watch.queue, 1, "select 1");
    CHECK(pthread_mutex_lock(&watch.lock) == 0);
    while (watch.drained < 20)
        CHECK(pthread_cond_wait(&watch.changed, &watch.lock) == 0);
    CHECK(watch.calls >= 1 && watch.calls <= 20 && watch.destroyed == 0);
    CHECK(pthread_mutex_unlock(&watch.lock) == 0);
    /* NULL ends it, and returns when the last call is over and the data is gone. */
    OK(holdfast_queue_on_ready(watch.queue, NULL, NULL, NULL, &error));
    CHECK(watch.destroyed == 1);
    submit(watch.pool, watch.queue, 1, "select 1");
    discard(next(watch.queue));
    /* A queue that is freed lets go of it, too. */
    OK(holdfast_queue_on_ready(watch.queue, on_ready, &watch, count_destroyed, &error));
    holdfast_queue_free(watch.queue);
    CHECK(watch.destroyed == 2);
    holdfast_pool_free(watch.pool);
    CHECK(pthread_mutex_destroy(&watch.lock) == 0 && pthread_cond_destroy(&watch.changed) == 0);
}

static void *drain_some(void *queue)
{
    holdfast_completion done[16];
    uintptr_t drained = 0;

    /* Waits are short, since the last completion may be another thread's, after which nothing comes any more. */
    for (int patience = 400; patience > 0 && holdfast_queue_pending(queue) > 0;) {
        size_t count = holdfast_queue_wait(queue, 50) ? holdfast_queue_drain(queue, done, 16, sizeof done[0]) : 0;
        for (size_t i = 0; i < count; i++)
            discard(done[i]);
        drained += count;
        patience -= count == 0;
    }
    return (void *)drained;
}

static void threads_may_share_a_queue(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(300);
    pthread_t threads[3];
    uintptr_t drained = 0;

    for (uint64_t tag = 0; tag < 300; tag++)
        submit(pool, queue, tag, tag % 7 ? "select 1" : "select 1/0");
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, drain_some, queue) == 0);
    for (int i = 0; i < 3; i++) {
        void *count;
        CHECK(pthread_join(threads[i], &count) == 0);
        drained += (uintptr_t)count;
    }
    CHECK(drained == 300);
    holdfast_queue_free(queue);
}

static void a_child_is_refused_and_its_parent_notices_nothing(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(0);
    holdfast_completion done;
    holdfast_error *error;
    int status;
    pid_t child;

    submit(pool, queue, 1, "select pg_sleep(0.2)");
    submit(pool, queue, 2, "select 2");
    child = can_fork() ? fork() : -1;
    CHECK(child >= 0 || !can_fork());
    if (child == 0) {
        FAILS(HOLDFAST_STATUS_MISUSE,
              holdfast_submit_query(pool, queue, 3, NULL, "select 3", HOLDFAST_NUL, NULL, 0, NULL, &error));
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_request_cancel(queue, 1, &error));
        CHECK(!holdfast_queue_wait(queue, 60000) && holdfast_queue_drain(queue, &done, 1, sizeof done) == 0);
        CHECK(holdfast_queue_fd(queue) == -1 && holdfast_queue_pending(queue) == 0);
        holdfast_queue_free(queue);
        _exit(0);
    }
    CHECK(child < 0 || (waitpid(child, &status, 0) == child && status == 0));
    for (int i = 0; i < 2; i++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK);
        discard(done);
    }
    holdfast_queue_free(queue);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;

    CHECK(argc > 1);
    pool = open_pool(argv[1], "3");
    a_query_is_answered_with_what_was_submitted(pool);
    what_cannot_be_is_refused_and_leaves_nothing_behind(pool);
    a_completion_that_grew_is_zero_beyond_what_this_version_knows(pool);
    threads_may_share_a_queue(pool);
    a_child_is_refused_and_its_parent_notices_nothing(pool);
    holdfast_pool_free(pool);
    cancelling_ends_what_waits_and_what_runs(argv[1]);
    all_are_answered_when_the_pool_closes(argv[1], false);
    all_are_answered_when_the_pool_closes(argv[1], true);
    a_queue_freed_early_takes_what_it_holds_with_it(argv[1]);
    a_callback_hears_when_something_waits_and_may_go_on(argv[1]);
    return 0;
}
