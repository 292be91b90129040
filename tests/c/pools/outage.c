/* The behaviour of a pool while its server is frozen, and when it crashes. Harms the server: run it on its own. */
#include "../check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>

/* The process that is stopped at present, or 0. */
static pid_t frozen = 0;

/* A test that fails must not leave a frozen server behind. */
static void thaw(void)
{
    if (frozen != 0)
        kill(frozen, SIGCONT);
}

static double now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static holdfast_pool *open_pool(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "2", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "retry_base_delay", HOLDFAST_NUL, "100ms", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "validation_timeout", HOLDFAST_NUL, "10s", HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static holdfast_connection *acquire(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    return connection;
}

static int64_t number(holdfast_pool *pool, const holdfast_acquire_options *options, const char *sql)
{
    holdfast_result *result;
    holdfast_error *error;
    int64_t value;
    OK(holdfast_pool_query(pool, options, sql, HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    OK(holdfast_result_i64(result, 0, 0, &value, &error));
    holdfast_result_free(result);
    return value;
}

static void a_frozen_backend_costs_the_deadline_and_no_more(const char *url)
{
    holdfast_pool *pool = open_pool(url);
    holdfast_connection *connection = acquire(pool);
    pid_t backend = (pid_t)holdfast_connection_backend_pid(connection);
    holdfast_result *result;
    holdfast_error *error;
    double begun;

    OK(holdfast_connection_set_deadline(connection, 300, &error));
    CHECK(kill(frozen = backend, SIGSTOP) == 0);
    begun = now();
    FAILS(HOLDFAST_STATUS_QUERY_TIMEOUT,
          holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    CHECK(now() - begun >= 0.3 && now() - begun < 10);
    begun = now();
    holdfast_connection_release(connection);
    CHECK(now() - begun < 2); /* whatever the server does */
    CHECK(number(pool, NULL, "select 41 + 1") == 42);
    CHECK(kill(backend, SIGCONT) == 0);
    frozen = 0;
    holdfast_pool_free(pool);
}

static void a_frozen_server_is_given_up_in_time(const char *url)
{
    holdfast_pool *pool = open_pool(url), *fresh = open_pool(url);
    pid_t postmaster = (pid_t)number(pool, NULL, "select split_part(pg_read_file('postmaster.pid'), e'\\n', 1)");
    holdfast_acquire_options options = {
        .struct_size = sizeof options, .timeout_ms = 500, .retries = HOLDFAST_NO_RETRY};
    holdfast_connection *connection;
    holdfast_error *error;
    double begun = now();

    CHECK(kill(frozen = postmaster, SIGSTOP) == 0);
    CHECK(holdfast_pool_acquire(fresh, &options, &connection, &error) == HOLDFAST_STATUS_CONNECT_TIMEOUT);
    CHECK(now() - begun >= 0.5 && now() - begun < 10);
    CHECK(holdfast_error_is_retryable(error) && holdfast_error_attempt_count(error) == 1);
    holdfast_error_free(error);
    /* The connections open before are still there, and have time to be validated. */
    options.timeout_ms = 25000;
    CHECK(number(pool, &options, "select 42") == 42);
    CHECK(kill(postmaster, SIGCONT) == 0);
    frozen = 0;
    CHECK(number(fresh, NULL, "select 42") == 42);
    holdfast_pool_free(fresh);
    holdfast_pool_free(pool);
}

static void *sleep_long(void *connection)
{
    holdfast_error *error;
    CHECK(holdfast_connection_script(connection, "select pg_sleep(60)", HOLDFAST_NUL, NULL, &error) ==
          HOLDFAST_STATUS_CONNECTION_LOST);
    CHECK(!holdfast_error_is_retryable(error)); /* it may have had an effect */
    holdfast_error_free(error);
    return NULL;
}

static void a_crash_costs_what_ran_and_nothing_that_follows(const char *url)
{
    holdfast_pool *pool = open_pool(url);
    holdfast_connection *busy = acquire(pool), *idle = acquire(pool);
    holdfast_acquire_options options = {.struct_size = sizeof options, .timeout_ms = 30000, .retries = 100};
    holdfast_stats before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    pid_t backend = (pid_t)holdfast_connection_backend_pid(busy);
    pid_t other = (pid_t)holdfast_connection_backend_pid(idle);
    holdfast_error *error;
    pthread_t thread;
    double begun;

    holdfast_connection_release(idle);
    OK(holdfast_pool_stats(pool, &before, &error));
    CHECK(before.idle == 1 && before.in_use == 1);
    CHECK(pthread_create(&thread, NULL, sleep_long, busy) == 0);
    pause_ms(200);
    CHECK(kill(backend, SIGKILL) == 0); /* the server ends all sessions, recovers, and says 57P03 meanwhile */
    CHECK(pthread_join(thread, NULL) == 0);
    holdfast_connection_release(busy);
    begun = now(); /* a statement sent before the other session has ended would be lost with it */
    while (kill(other, 0) == 0) {
        CHECK(now() - begun < 20);
        pause_ms(1);
    }
    for (int i = 0; i < 20; i++)
        CHECK(number(pool, &options, "select 42") == 42);
    OK(holdfast_pool_stats(pool, &after, &error));
    CHECK(after.opens > before.opens && after.total <= 2 && after.in_use == 0);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1 && atexit(thaw) == 0);
    a_frozen_backend_costs_the_deadline_and_no_more(argv[1]);
    a_frozen_server_is_given_up_in_time(argv[1]);
    a_crash_costs_what_ran_and_nothing_that_follows(argv[1]);
    return 0;
}
