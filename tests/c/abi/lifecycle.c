/* Handles are made, used and freed, in every order. */
#include "../check.h"

static void the_library_is_the_one_of_the_header(void)
{
    holdfast_error *error;
    CHECK(is(holdfast_version(), HOLDFAST_VERSION));
    CHECK(holdfast_version_number() == HOLDFAST_VERSION_NUMBER);
    OK(holdfast_check_version(HOLDFAST_VERSION_NUMBER, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_check_version(HOLDFAST_VERSION_NUMBER + 1, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_check_version(HOLDFAST_VERSION_NUMBER + 1000000, &error));
}

static void connections_are_checked_out_and_come_back(const char *url)
{
    holdfast_pool *pool;
    holdfast_connection *first, *second;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.opens == 0 && stats.max_size > 0 && stats.struct_size == sizeof stats);

    OK(holdfast_pool_try_acquire(pool, &first, &error));
    CHECK(first == NULL);
    OK(holdfast_pool_acquire(pool, NULL, &first, &error));
    uint32_t pid = holdfast_connection_backend_pid(first);
    CHECK(pid != 0);
    CHECK(strcmp(holdfast_connection_target(first).ptr, holdfast_pool_target(pool).ptr) == 0);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.total == 1 && stats.in_use == 1 && stats.idle == 0 && stats.gets == 1);

    holdfast_connection_release(first);
    OK(holdfast_pool_try_acquire(pool, &second, &error));
    CHECK(second != NULL && holdfast_connection_backend_pid(second) == pid);
    holdfast_connection_discard(second);
    OK(holdfast_pool_acquire(pool, NULL, &second, &error));
    CHECK(holdfast_connection_backend_pid(second) != pid);
    holdfast_connection_release(second);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.closed_discarded == 1 && stats.opens == 2 && stats.gets == 3);
    holdfast_pool_free(pool);
}

static void everything_outlives_what_it_came_from(const char *url)
{
    holdfast_pool *pool, *other;
    holdfast_connection *connection;
    holdfast_cancel *cancel, *further;
    holdfast_result *result, *kept;
    holdfast_error *error, *failure;

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    other = holdfast_pool_clone(pool);
    holdfast_pool_free(pool);
    OK(holdfast_pool_acquire(other, NULL, &connection, &error));
    holdfast_pool_free(other);
    OK(holdfast_connection_query(connection, "select 42", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                                 &result, &error));
    CHECK(holdfast_connection_query(connection, "select 1/0", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                                    &kept, &failure) == HOLDFAST_STATUS_DATABASE);
    CHECK(kept == NULL);
    OK(holdfast_cancel_new(connection, &cancel, &error));
    further = holdfast_cancel_clone(cancel);
    holdfast_cancel_free(cancel);
    holdfast_connection_release(connection);
    kept = holdfast_result_clone(result);
    holdfast_result_free(result);
    CHECK(strcmp((const char *)holdfast_result_cell(kept, 0, 0).ptr, "42") == 0);
    CHECK(is(holdfast_error_sqlstate(failure), "22012"));
    OK(holdfast_cancel_fire(further, HOLDFAST_CONFIGURED, &error)); /* the checkout is over: it does nothing */
    holdfast_cancel_free(further);
    holdfast_result_free(kept);
    holdfast_error_free(failure);
}

static void idle_connections_are_released_and_checked_out_ones_stay(const char *url)
{
    holdfast_pool *pool;
    holdfast_connection *held, *idle;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};
    size_t released = 99;

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_release_idle(pool, &released, &error));
    CHECK(released == 0);
    OK(holdfast_pool_acquire(pool, NULL, &held, &error));
    OK(holdfast_pool_acquire(pool, NULL, &idle, &error));
    uint32_t pid = holdfast_connection_backend_pid(held);
    holdfast_connection_release(idle);
    OK(holdfast_pool_release_idle(pool, &released, &error));
    CHECK(released == 1);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.total == 1 && stats.in_use == 1 && stats.closed_released == 1);

    holdfast_connection_release(held);
    OK(holdfast_pool_acquire(pool, NULL, &held, &error));
    CHECK(holdfast_connection_backend_pid(held) == pid); /* the pool goes on as before */
    holdfast_connection_release(held);
    OK(holdfast_pool_release_idle(pool, NULL, &error));
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.total == 0 && stats.closed_released == 2);

    OK(holdfast_pool_wait_until_warm(pool, 2, 20000, &error));
    OK(holdfast_pool_ping(pool, 20000, &error));
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.total == 2 && stats.idle == 2);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_wait_until_warm(pool, 1000, 20000, &error));
    holdfast_pool_free(pool);
}

static void a_pool_has_another_size_at_run_time(const char *url)
{
    holdfast_pool *pool;
    holdfast_connection *first, *second;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_set_max_size(pool, 0, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_set_max_size(pool, 10001, &error));
    OK(holdfast_pool_set_max_size(pool, 1, &error));
    OK(holdfast_pool_acquire(pool, NULL, &first, &error));
    OK(holdfast_pool_set_max_size(pool, 2, &error));
    OK(holdfast_pool_acquire(pool, NULL, &second, &error));
    OK(holdfast_pool_set_max_size(pool, 1, &error));
    holdfast_connection_release(first);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.max_size == 1 && stats.in_use == 1 && stats.idle == 0 && stats.closed_surplus == 1);
    holdfast_connection_release(second);
    OK(holdfast_pool_close(pool, 10000, NULL, &error));
    FAILS(HOLDFAST_STATUS_POOL_CLOSED, holdfast_pool_set_max_size(pool, 1, &error));
    holdfast_pool_free(pool);
}

static void a_closed_pool_checks_out_nothing_and_says_so(const char *url)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;
    holdfast_close_report report = {.struct_size = sizeof report};

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    holdfast_connection_release(connection);
    CHECK(!holdfast_pool_is_closed(pool));
    OK(holdfast_pool_close(pool, HOLDFAST_CONFIGURED, &report, &error));
    CHECK(report.idle_closed == 1 && report.cut == 0 && report.cancelled == 0);
    CHECK(holdfast_pool_is_closed(pool));
    FAILS(HOLDFAST_STATUS_POOL_CLOSED, holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(connection == NULL);
    FAILS(HOLDFAST_STATUS_POOL_CLOSED, holdfast_pool_try_acquire(pool, &connection, &error));
    OK(holdfast_pool_close(pool, 0, NULL, &error));
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    the_library_is_the_one_of_the_header();
    connections_are_checked_out_and_come_back(argv[1]);
    everything_outlives_what_it_came_from(argv[1]);
    idle_connections_are_released_and_checked_out_ones_stay(argv[1]);
    a_pool_has_another_size_at_run_time(argv[1]);
    a_closed_pool_checks_out_nothing_and_says_so(argv[1]);
    return 0;
}
