/* A pool that needs no server: queries, scripts, transactions, errors, deadlines, cancelling, closing, and nothing left. */
#include "../canceller.h"

#include <dirent.h>
#include <pthread.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static holdfast_pool *open_echo(const char *max_size)
{
    holdfast_config *config = holdfast_config_new();
    holdfast_pool *pool;
    holdfast_error *error;
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, max_size, HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "host", HOLDFAST_NUL, "nowhere.invalid", HOLDFAST_NUL, &error));
    OK(holdfast_pool_open_echo(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static holdfast_connection *acquire(const holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    return connection;
}

static void statements_come_back(const holdfast_pool *pool)
{
    static const unsigned char seven[4] = {0, 0, 0, 7};
    const holdfast_param params[4] = {
        {"41", HOLDFAST_NUL, 23, HOLDFAST_FORMAT_TEXT},
        {seven, sizeof seven, 23, HOLDFAST_FORMAT_BINARY},
        {NULL, 0, 16, HOLDFAST_FORMAT_TEXT},
        {"a text", HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT},
    };
    holdfast_result *result;
    holdfast_error *error;
    holdfast_column column = {.struct_size = sizeof column};
    holdfast_str text;
    int64_t number;

    CHECK(is(holdfast_pool_target(pool), "echo"));
    OK(holdfast_pool_query(pool, NULL, "select anything", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_AUTOMATIC, &result,
                           &error));
    CHECK(holdfast_result_rows(result) == 1 && holdfast_result_columns(result) == 1);
    CHECK(holdfast_result_column(result, 0, &column) && is(column.name, "sql") && column.type_oid == 25);
    OK(holdfast_result_text(result, 0, 0, &text, &error));
    CHECK(is(text, "select anything") && is(holdfast_result_command_tag(result), "SELECT 1"));
    holdfast_result_free(result);

    for (int32_t format = HOLDFAST_FORMAT_TEXT; format <= HOLDFAST_FORMAT_AUTOMATIC; format++) {
        OK(holdfast_pool_query(pool, NULL, "call it($1, $2, $3, $4)", HOLDFAST_NUL, params, 4, format, &result, &error));
        CHECK(holdfast_result_rows(result) == 1 && holdfast_result_columns(result) == 4);
        CHECK(holdfast_result_column(result, 1, &column) && is(column.name, "p2") && column.type_oid == 23);
        CHECK((column.format == HOLDFAST_FORMAT_TEXT) == (format == HOLDFAST_FORMAT_TEXT));
        OK(holdfast_result_i64(result, 0, 0, &number, &error));
        CHECK(number == 41);
        OK(holdfast_result_i64(result, 0, 1, &number, &error));
        CHECK(number == 7 && holdfast_result_is_null(result, 0, 2));
        OK(holdfast_result_text(result, 0, 3, &text, &error));
        CHECK(is(text, "a text"));
        holdfast_result_free(result);
    }
    OK(holdfast_pool_query(pool, NULL, "echo:rows 1000", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_AUTOMATIC, &result,
                           &error));
    CHECK(holdfast_result_rows(result) == 1000);
    OK(holdfast_result_i64(result, 999, 0, &number, &error));
    OK(holdfast_result_text(result, 999, 1, &text, &error));
    CHECK(number == 1000 && is(text, "row 1000"));
    holdfast_result_free(result);
}

/* The SQLSTATE a text fails with. */
static void refused(holdfast_connection *connection, const char *sql, const char *sqlstate)
{
    holdfast_error *error;
    CHECK(holdfast_connection_script(connection, sql, HOLDFAST_NUL, NULL, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_sqlstate(error), sqlstate));
    holdfast_error_free(error);
}

static void scripts_and_transactions_go_as_on_a_server(void)
{
    holdfast_pool *pool = open_echo("1");
    holdfast_connection *connection = acquire(pool);
    holdfast_results *results;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};

    OK(holdfast_connection_script(connection, "one; echo:rows 2; begin; commit", HOLDFAST_NUL, &results, &error));
    CHECK(holdfast_results_count(results) == 4);
    CHECK(holdfast_result_rows(holdfast_results_get(results, 1)) == 2);
    CHECK(is(holdfast_result_command_tag(holdfast_results_get(results, 2)), "BEGIN"));
    CHECK(is(holdfast_result_command_tag(holdfast_results_get(results, 3)), "COMMIT"));
    holdfast_results_free(results);

    script(connection, "begin; savepoint a");
    refused(connection, "echo:error 23505 duplicate", "23505");
    refused(connection, "anything", "25P02");
    script(connection, "rollback to savepoint a; anything");
    refused(connection, "release savepoint b", "3B001");
    OK(holdfast_connection_script(connection, "commit", HOLDFAST_NUL, &results, &error));
    CHECK(is(holdfast_result_command_tag(holdfast_results_get(results, 0)), "ROLLBACK"));
    holdfast_results_free(results);
    refused(connection, "savepoint a", "25P01");
    refused(connection, "echo:dance", "42601");

    /* Left open, it is rolled back before the next caller comes. */
    script(connection, "begin");
    holdfast_connection_release(connection);
    connection = acquire(pool);
    script(connection, "anything");
    holdfast_connection_release(connection);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.rolled_back == 1 && stats.opens == 1);
    holdfast_pool_free(pool);
}

static holdfast_status conflicts_twice(void *runs, holdfast_connection *connection, holdfast_error **error)
{
    const char *sql = ++*(int *)runs < 3 ? "echo:error 40001 try again" : "fine";
    return holdfast_connection_script(connection, sql, HOLDFAST_NUL, NULL, error);
}

static void transactions_are_begun_divided_and_run_again(const holdfast_pool *pool)
{
    static const char odd[] = "an \"odd\"; name";
    holdfast_connection *connection = acquire(pool);
    holdfast_error *error;
    int runs = 0;
    OK(holdfast_connection_begin(connection, NULL, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_ACTIVE);
    OK(holdfast_connection_savepoint(connection, odd, HOLDFAST_NUL, &error));
    refused(connection, "echo:error 22012 no", "22012");
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_FAILED);
    OK(holdfast_connection_rollback_to(connection, odd, HOLDFAST_NUL, &error));
    OK(holdfast_connection_release_savepoint(connection, odd, HOLDFAST_NUL, &error));
    OK(holdfast_connection_commit(connection, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_IDLE);
    holdfast_connection_release(connection);
    OK(holdfast_pool_transaction(pool, NULL, NULL, conflicts_twice, &runs, &error));
    CHECK(runs == 3);
}

static void notices_and_notifications_come(const holdfast_pool *pool)
{
    holdfast_connection *connection = acquire(pool);
    holdfast_notices *notices;
    holdfast_notification *notification;
    holdfast_error *error;
    script(connection, "echo:notice mind the gap; echo:notify news of today");
    OK(holdfast_connection_notices(connection, &notices, &error));
    CHECK(holdfast_notices_count(notices) == 1);
    CHECK(is(holdfast_notices_field(notices, 0, HOLDFAST_FIELD_MESSAGE), "mind the gap"));
    holdfast_notices_free(notices);
    OK(holdfast_connection_notification(connection, 2000, &notification, &error));
    CHECK(is(holdfast_notification_channel(notification), "news"));
    CHECK(is(holdfast_notification_payload(notification), "of today"));
    CHECK(holdfast_notification_backend_pid(notification) == holdfast_connection_backend_pid(connection));
    holdfast_notification_free(notification);
    holdfast_connection_release(connection);
}

static void a_deadline_ends_a_sleep(const holdfast_pool *pool)
{
    holdfast_connection *connection = acquire(pool);
    holdfast_error *error;
    const double begun = now();
    OK(holdfast_connection_set_deadline(connection, 50, &error));
    FAILS(HOLDFAST_STATUS_QUERY_TIMEOUT,
          holdfast_connection_script(connection, "echo:sleep 60000", HOLDFAST_NUL, NULL, &error));
    CHECK(now() - begun >= 0.05 && now() - begun < 30);
    holdfast_connection_release(connection);
}

static void a_sleep_can_be_cancelled(const holdfast_pool *pool)
{
    holdfast_connection *connection = acquire(pool);
    holdfast_error *error;
    Canceller canceller;
    begin_cancelling(&canceller, connection);
    CHECK(holdfast_connection_script(connection, "echo:sleep 60000", HOLDFAST_NUL, NULL, &error) ==
          HOLDFAST_STATUS_CANCELED);
    CHECK(is(holdfast_error_sqlstate(error), "57014"));
    holdfast_error_free(error);
    end_cancelling(&canceller);
    script(connection, "echo:sleep 1");
    holdfast_connection_release(connection);
}

static void a_connection_can_break(const holdfast_pool *pool)
{
    holdfast_connection *connection = acquire(pool);
    holdfast_error *error;
    FAILS(HOLDFAST_STATUS_CONNECTION_LOST,
          holdfast_connection_script(connection, "echo:drop", HOLDFAST_NUL, NULL, &error));
    holdfast_connection_release(connection);
    connection = acquire(pool);
    script(connection, "anything");
    holdfast_connection_release(connection);
}

static void options_about_the_pool_hold(void)
{
    holdfast_pool *pool = open_echo("1");
    holdfast_connection *one = acquire(pool), *none;
    holdfast_error *error;
    holdfast_acquire_options options = {.struct_size = sizeof options, .retries = HOLDFAST_NO_RETRY, .timeout_ms = 20};
    CHECK(is(holdfast_connection_target(one), "echo"));
    FAILS(HOLDFAST_STATUS_POOL_TIMEOUT, holdfast_pool_acquire(pool, &options, &none, &error));
    holdfast_connection_release(one);
    holdfast_pool_free(pool);

    holdfast_config *config = holdfast_config_new();
    OK(holdfast_config_set(config, "min_idle", HOLDFAST_NUL, "1000", HOLDFAST_NUL, &error));
    FAILS(HOLDFAST_STATUS_CONFIG, holdfast_pool_open_echo(config, &pool, &error));
    CHECK(pool == NULL);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_open_echo(config, NULL, &error));
    holdfast_config_free(config);
}

static void *sleep_long(void *connection)
{
    holdfast_error *error;
    const holdfast_status status =
        holdfast_connection_script(connection, "echo:sleep 60000", HOLDFAST_NUL, NULL, &error);
    CHECK(status == HOLDFAST_STATUS_CANCELED || status == HOLDFAST_STATUS_CONNECTION_LOST);
    holdfast_error_free(error);
    return NULL;
}

static void closing_ends_what_still_runs(void)
{
    holdfast_pool *pool;
    holdfast_connection *connection, *none;
    holdfast_error *error;
    holdfast_close_report report = {.struct_size = sizeof report};
    pthread_t thread;
    OK(holdfast_pool_open_echo(NULL, &pool, &error));
    connection = acquire(pool);
    CHECK(pthread_create(&thread, NULL, sleep_long, connection) == 0);
    pause_ms(100);
    OK(holdfast_pool_close(pool, 400, &report, &error));
    CHECK(report.cancelled == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    FAILS(HOLDFAST_STATUS_POOL_CLOSED, holdfast_pool_acquire(pool, NULL, &none, &error));
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
}

static void a_connection_and_a_result_outlive_their_pool(void)
{
    holdfast_pool *pool = open_echo("1");
    holdfast_connection *connection = acquire(pool);
    holdfast_result *result;
    holdfast_error *error;
    holdfast_str text;
    holdfast_pool_free(pool);
    OK(holdfast_connection_query(connection, "still there", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    holdfast_connection_release(connection);
    OK(holdfast_result_text(result, 0, 0, &text, &error));
    CHECK(is(text, "still there"));
    holdfast_result_free(result);
}

static int entries(const char *directory)
{
    DIR *listing = opendir(directory);
    int count = 0;
    CHECK(listing != NULL);
    while (readdir(listing) != NULL)
        count++;
    CHECK(closedir(listing) == 0);
    return count;
}

/* Descriptors and threads end soon after what they belonged to. */
static void wait_until_no_more_is_held(int descriptors, int threads)
{
    const double begun = now();
    while (entries("/proc/self/fd") > descriptors || (!is_watched() && entries("/proc/self/task") > threads)) {
        CHECK(now() - begun < 20);
        pause_ms(10);
    }
}

int main(void)
{
    const int descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    holdfast_pool *pool = open_echo("2");
    statements_come_back(pool);
    scripts_and_transactions_go_as_on_a_server();
    transactions_are_begun_divided_and_run_again(pool);
    notices_and_notifications_come(pool);
    a_sleep_can_be_cancelled(pool);
    a_deadline_ends_a_sleep(pool);
    a_connection_can_break(pool);
    holdfast_pool_free(pool);
    options_about_the_pool_hold();
    closing_ends_what_still_runs();
    a_connection_and_a_result_outlive_their_pool();
    wait_until_no_more_is_held(descriptors, threads);
    return 0;
}
