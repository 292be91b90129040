/* Many threads on one pool; deadlines, cancelling and closing while statements run. */
#include "../canceller.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = 16, ROUNDS = 40 };

static double now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *ask_often(void *pool)
{
    for (int i = 0; i < ROUNDS; i++) {
        holdfast_result *result;
        holdfast_error *error;
        OK(holdfast_pool_query(pool, NULL, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_AUTOMATIC, &result,
                               &error));
        int64_t one = 0;
        OK(holdfast_result_i64(result, 0, 0, &one, &error));
        CHECK(one == 1);
        holdfast_result_free(result);
    }
    holdfast_pool_free(pool); /* its own handle */
    return NULL;
}

static void many_threads_share_few_connections(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};
    pthread_t threads[THREADS];

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "3", HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, ask_often, holdfast_pool_clone(pool)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.gets == THREADS * ROUNDS && stats.opens <= 3 && stats.in_use == 0);
    holdfast_pool_free(pool);
}

static void *wait_for_a_turn(void *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    holdfast_connection_release(connection);
    return NULL;
}

static void one_caller_more_than_may_wait_is_turned_away(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_connection *held, *none;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};
    pthread_t waiter;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "1", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "max_waiting", HOLDFAST_NUL, "1", HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    OK(holdfast_pool_acquire(pool, NULL, &held, &error));
    CHECK(pthread_create(&waiter, NULL, wait_for_a_turn, pool) == 0);
    while (stats.waiting == 0) {
        OK(holdfast_pool_stats(pool, &stats, &error));
        pause_ms(1);
    }
    CHECK(holdfast_pool_acquire(pool, NULL, &none, &error) == HOLDFAST_STATUS_OVERLOADED);
    CHECK(none == NULL && holdfast_error_is_retryable(error) && is(holdfast_error_phase(error), "queue"));
    holdfast_error_free(error);
    holdfast_connection_release(held);
    CHECK(pthread_join(waiter, NULL) == 0);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.shed == 1 && stats.errors[HOLDFAST_STATUS_OVERLOADED] == 1);
    holdfast_pool_free(pool);
}

static void a_deadline_ends_a_statement(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;
    double begun = now();

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_set_deadline(connection, 100, &error));
    FAILS(HOLDFAST_STATUS_QUERY_TIMEOUT, holdfast_connection_query(connection, "select pg_sleep(60)", HOLDFAST_NUL,
                                                                  NULL, 0, 0, &result, &error));
    CHECK(now() - begun >= 0.1 && now() - begun < 10);
    /* The connection is lost: nothing more runs on it, and the pool opens another. */
    CHECK(holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0, 0, &result, NULL) ==
          HOLDFAST_STATUS_QUERY_TIMEOUT);
    CHECK(result == NULL);
    holdfast_connection_release(connection);
    OK(holdfast_pool_query(pool, NULL, "select 1", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    holdfast_result_free(result);

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_set_deadline(connection, 20, &error));
    OK(holdfast_connection_set_deadline(connection, 0, &error));
    OK(holdfast_connection_script(connection, "select pg_sleep(0.1)", HOLDFAST_NUL, NULL, &error));
    holdfast_connection_release(connection);
}

static void another_thread_cancels_a_statement(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;
    Canceller canceller;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    begin_cancelling(&canceller, connection);
    CHECK(holdfast_connection_query(connection, "select pg_sleep(60)", HOLDFAST_NUL, NULL, 0, 0, &result, &error) ==
          HOLDFAST_STATUS_CANCELED);
    CHECK(is(holdfast_error_sqlstate(error), "57014"));
    holdfast_error_free(error);
    end_cancelling(&canceller);
    OK(holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    holdfast_result_free(result);
    holdfast_connection_release(connection);
}

static void *sleep_long(void *connection)
{
    holdfast_error *error;
    holdfast_status status =
        holdfast_connection_script(connection, "select pg_sleep(60)", HOLDFAST_NUL, NULL, &error);
    CHECK(status == HOLDFAST_STATUS_CANCELED || status == HOLDFAST_STATUS_CONNECTION_LOST);
    holdfast_error_free(error);
    return NULL;
}

static void closing_ends_what_still_runs(const char *url)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;
    holdfast_close_report report = {.struct_size = sizeof report};
    pthread_t thread;
    double begun;

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(pthread_create(&thread, NULL, sleep_long, connection) == 0);
    pause_ms(100);
    begun = now();
    OK(holdfast_pool_close(pool, 400, &report, &error));
    CHECK(now() - begun < 10 && report.cancelled == 1 && report.elapsed_us >= 300000);
    CHECK(pthread_join(thread, NULL) == 0);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
}

static void *release_at_once(void *connection)
{
    pause_ms(100);
    holdfast_connection_release(connection);
    return NULL;
}

/* Not allowed, but not undefined either: the call that runs keeps the connection until it ends. */
static void a_connection_released_during_a_call_goes_back_after_it(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};
    pthread_t thread;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(pthread_create(&thread, NULL, release_at_once, connection) == 0);
    OK(holdfast_connection_script(connection, "select pg_sleep(1)", HOLDFAST_NUL, NULL, &error));
    CHECK(pthread_join(thread, NULL) == 0);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.in_use == 0 && stats.idle == 1);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_error *error;

    CHECK(argc > 1);
    many_threads_share_few_connections(argv[1]);
    one_caller_more_than_may_wait_is_turned_away(argv[1]);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    a_deadline_ends_a_statement(pool);
    another_thread_cancels_a_statement(pool);
    a_connection_released_during_a_call_goes_back_after_it(pool);
    holdfast_pool_free(pool);
    closing_ends_what_still_runs(argv[1]);
    return 0;
}
