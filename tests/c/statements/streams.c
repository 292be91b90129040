/* Rows in portions: large results in little memory, and streams that are left before their end. */
#include "../check.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static holdfast_stream *open_stream(holdfast_connection *connection, const char *sql, int32_t format)
{
    holdfast_stream *stream;
    holdfast_error *error;
    OK(holdfast_connection_stream(connection, sql, HOLDFAST_NUL, NULL, 0, format, &stream, &error));
    return stream;
}

/* The next rows; NULL at the end. */
static holdfast_result *next(holdfast_stream *stream, size_t most)
{
    holdfast_result *result;
    holdfast_error *error;
    OK(holdfast_stream_next(stream, most, &result, &error));
    return result;
}

static const char *const ENDLESS = "select generate_series(1, 2000000000)";

/* A stream that does not end by itself, of which some was read. */
static holdfast_stream *endless(holdfast_connection *connection)
{
    holdfast_stream *stream = open_stream(connection, ENDLESS, HOLDFAST_FORMAT_TEXT);
    holdfast_result *result = next(stream, 10);
    CHECK(holdfast_result_rows(result) == 10);
    holdfast_result_free(result);
    return stream;
}

static int64_t one_of(holdfast_connection *connection)
{
    holdfast_result *result;
    holdfast_error *error;
    int64_t value;
    OK(holdfast_connection_query(connection, "select 1", 8, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_i64(result, 0, 0, &value, &error));
    holdfast_result_free(result);
    return value;
}

static holdfast_pool *pool_of_one(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;
    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "1", 1, &error));
    if (is_watched()) { /* slowly: what is left half-way would not be cancelled in time, and its connection closed */
        OK(holdfast_config_set(config, "settle_timeout", HOLDFAST_NUL, "60s", HOLDFAST_NUL, &error));
        OK(holdfast_config_set(config, "connection_timeout", HOLDFAST_NUL, "60s", HOLDFAST_NUL, &error));
    }
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

/* In kilobytes. */
static long most_memory(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_maxrss;
}

static void a_million_rows_pass_through_little_memory(holdfast_connection *connection)
{
    const size_t many = as_many_as(1000000);
    const char *sql = is_watched() ? "select g, repeat('x', 100) from generate_series(1, 100000) g"
                                   : "select g, repeat('x', 100) from generate_series(1, 1000000) g";
    holdfast_stream *stream = open_stream(connection, sql, HOLDFAST_FORMAT_BINARY);
    holdfast_result *result;
    holdfast_error *error;
    long before = most_memory();
    size_t rows = 0;
    int64_t sum = 0, value;

    CHECK(is(holdfast_stream_command_tag(stream), ""));
    while ((result = next(stream, 5000)) != NULL) {
        size_t count = holdfast_result_rows(result);
        CHECK(count > 0 && count <= 5000);
        for (size_t row = 0; row < count; row++) {
            OK(holdfast_result_i64(result, row, 0, &value, &error));
            sum += value;
        }
        rows += count;
        holdfast_result_free(result);
    }
    CHECK(rows == many && sum == (int64_t)many * ((int64_t)many + 1) / 2);
    CHECK(is(holdfast_stream_command_tag(stream), is_watched() ? "SELECT 100000" : "SELECT 1000000"));
    CHECK(next(stream, 1) == NULL);
    CHECK(is_watched() || most_memory() - before < 8 * 1024);
    holdfast_stream_free(stream);
    CHECK(one_of(connection) == 1);
}

static void columns_are_described_before_the_first_row(holdfast_connection *connection)
{
    holdfast_column column = {.struct_size = sizeof column};
    holdfast_stream *stream = open_stream(connection, "select 1 as a, 'x'::text as b where false", HOLDFAST_FORMAT_AUTOMATIC);
    CHECK(holdfast_stream_columns(stream) == 2);
    CHECK(holdfast_stream_column(stream, 0, &column) && is(column.name, "a") && column.format == HOLDFAST_FORMAT_BINARY);
    CHECK(holdfast_stream_column(stream, 1, &column) && is(column.name, "b") && column.format == HOLDFAST_FORMAT_TEXT);
    CHECK(!holdfast_stream_column(stream, 2, &column));
    CHECK(next(stream, 100) == NULL && is(holdfast_stream_command_tag(stream), "SELECT 0"));
    holdfast_stream_free(stream);

    stream = open_stream(connection, "create temp table streamed ()", HOLDFAST_FORMAT_TEXT);
    CHECK(holdfast_stream_columns(stream) == 0 && next(stream, 1) == NULL);
    CHECK(is(holdfast_stream_command_tag(stream), "CREATE TABLE"));
    holdfast_stream_free(stream);
}

static void a_stream_that_fails_half_way_ends_and_the_connection_lives_on(holdfast_connection *connection)
{
    const char *sql = "select 1 / (50000 - g) from generate_series(1, 100000) g";
    holdfast_stream *stream = open_stream(connection, sql, HOLDFAST_FORMAT_TEXT);
    holdfast_result *result;
    holdfast_error *error;
    holdfast_status status;
    size_t rows = 0;

    while ((status = holdfast_stream_next(stream, 1000, &result, &error)) == HOLDFAST_STATUS_OK) {
        CHECK(result != NULL);
        rows += holdfast_result_rows(result);
        holdfast_result_free(result);
    }
    CHECK(status == HOLDFAST_STATUS_DATABASE && is(holdfast_error_sqlstate(error), "22012") && result == NULL);
    holdfast_error_free(error);
    CHECK(rows >= 49000 && rows < 50000);
    CHECK(one_of(connection) == 1);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_stream_next(stream, 1, &result, &error)); /* and not the end */
    CHECK(is(holdfast_stream_command_tag(stream), ""));
    holdfast_stream_free(stream);
    FAILS(HOLDFAST_STATUS_DATABASE,
          holdfast_connection_stream(connection, "select nowhere", HOLDFAST_NUL, NULL, 0, 0, &stream, &error));
    CHECK(stream == NULL);
}

static void a_stream_freed_early_makes_room_for_the_next_statement(holdfast_connection *connection)
{
    uint32_t pid = holdfast_connection_backend_pid(connection);
    for (int i = 0; i < 3; i++) {
        holdfast_stream_free(endless(connection));
        CHECK(one_of(connection) == 1);
    }
    holdfast_stream_free(open_stream(connection, ENDLESS, HOLDFAST_FORMAT_TEXT)); /* of which nothing was read */
    CHECK(one_of(connection) == 1 && holdfast_connection_backend_pid(connection) == pid);
}

static void while_a_stream_is_open_other_calls_are_refused(holdfast_connection *connection)
{
    holdfast_stream *stream = endless(connection), *second;
    holdfast_statement *statement;
    holdfast_notification *notification;
    holdfast_result *result;
    holdfast_error *error;

    CHECK(holdfast_connection_query(connection, "select 1", 8, NULL, 0, 0, &result, &error) == HOLDFAST_STATUS_MISUSE);
    CHECK(has(holdfast_error_message(error), "a stream is open"));
    holdfast_error_free(error);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_script(connection, "select 1", 8, NULL, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_prepare(connection, "select 1", 8, NULL, 0, &statement, &error));
    FAILS(HOLDFAST_STATUS_MISUSE,
          holdfast_connection_stream(connection, "select 1", 8, NULL, 0, 0, &second, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_notification(connection, 0, &notification, &error));
    result = next(stream, 1);
    CHECK(strcmp((const char *)holdfast_result_cell(result, 0, 0).ptr, "11") == 0);
    holdfast_result_free(result);
    holdfast_stream_free(stream);
    CHECK(one_of(connection) == 1);
}

static void a_forgotten_stream_does_not_keep_its_connection(const char *url)
{
    holdfast_pool *pool = pool_of_one(url);
    holdfast_connection *connection;
    holdfast_stream *forgotten, *discarded;
    holdfast_result *result;
    holdfast_error *error;
    uint32_t pid;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    pid = holdfast_connection_backend_pid(connection);
    forgotten = endless(connection);
    holdfast_connection_release(connection);
    CHECK(holdfast_stream_next(forgotten, 1, &result, &error) == HOLDFAST_STATUS_MISUSE);
    CHECK(has(holdfast_error_message(error), "the connection was given back"));
    holdfast_error_free(error);

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error)); /* the only one there is */
    CHECK(holdfast_connection_backend_pid(connection) == pid && one_of(connection) == 1);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_stream_next(forgotten, 1, &result, &error));
    discarded = endless(connection);
    holdfast_stream_free(forgotten);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_script(connection, "select 1", 8, NULL, &error)); /* still open */
    holdfast_connection_discard(connection);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_stream_next(discarded, 1, &result, &error));
    holdfast_pool_free(pool);
    CHECK(holdfast_stream_columns(discarded) == 1);
    holdfast_stream_free(discarded);
}

static void a_result_of_a_stream_outlives_everything(const char *url)
{
    holdfast_pool *pool = pool_of_one(url);
    holdfast_connection *connection;
    holdfast_stream *stream;
    holdfast_result *result;
    holdfast_error *error;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    stream = open_stream(connection, "select 'kept' as name", HOLDFAST_FORMAT_TEXT);
    result = next(stream, 5);
    holdfast_stream_free(stream);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    CHECK(strcmp((const char *)holdfast_result_cell(result, 0, 0).ptr, "kept") == 0);
    holdfast_result_free(result);
}

static void *wait_for_a_row(void *stream)
{
    holdfast_result *result;
    holdfast_status status;
    while ((status = holdfast_stream_next(stream, 1, &result, NULL)) == HOLDFAST_STATUS_BUSY)
        pause_ms(1); /* the other thread is looking */
    CHECK(status == HOLDFAST_STATUS_OK && holdfast_result_rows(result) == 1);
    holdfast_result_free(result);
    return NULL;
}

static void two_threads_on_one_stream_get_an_error(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_stream *stream;
    holdfast_result *result;
    holdfast_error *error;
    pthread_t thread;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    stream = open_stream(connection, "select pg_sleep(3)", HOLDFAST_FORMAT_TEXT); /* which does not wait for the row */
    CHECK(pthread_create(&thread, NULL, wait_for_a_row, stream) == 0);
    while (holdfast_connection_set_deadline(connection, 0, NULL) != HOLDFAST_STATUS_BUSY)
        pause_ms(1); /* else the other thread might not run before its row has come */
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_stream_next(stream, 1, &result, &error));
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_connection_query(connection, "select 1", 8, NULL, 0, 0, &result, &error));
    CHECK(is(holdfast_stream_command_tag(stream), "")); /* may be asked at any time */
    CHECK(pthread_join(thread, NULL) == 0);
    holdfast_stream_free(stream);
    holdfast_connection_release(connection);
}

static void misuse_of_a_stream_is_an_error(holdfast_connection *connection)
{
    holdfast_stream *stream = endless(connection), *none;
    holdfast_result *result;
    holdfast_error *error;
    void *as_if = connection;
    int status;
    pid_t child;

    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_stream_next(stream, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_stream_next(stream, 1, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_stream_next(NULL, 1, &result, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_stream_next(as_if, 1, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_stream(NULL, "", 0, NULL, 0, 0, &none, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_stream(connection, "", 0, NULL, 0, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_stream(connection, "", 0, NULL, 0, 7, &none, &error));
    CHECK(holdfast_stream_columns(NULL) == 0 && !holdfast_stream_column(NULL, 0, NULL));
    CHECK(is(holdfast_stream_command_tag(NULL), "") && holdfast_stream_columns(as_if) == 0);
    holdfast_stream_free(NULL);
    holdfast_stream_free(as_if); /* left alone */
    child = can_fork() ? fork() : -1;
    CHECK(child >= 0 || !can_fork());
    if (child == 0) {
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_stream_next(stream, 1, &result, &error));
        holdfast_stream_free(stream);
        _exit(0);
    }
    CHECK(child < 0 || (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0));
    result = next(stream, 1);
    CHECK(holdfast_result_rows(result) == 1);
    holdfast_result_free(result);
    holdfast_stream_free(stream);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    a_million_rows_pass_through_little_memory(connection);
    columns_are_described_before_the_first_row(connection);
    a_stream_that_fails_half_way_ends_and_the_connection_lives_on(connection);
    a_stream_freed_early_makes_room_for_the_next_statement(connection);
    while_a_stream_is_open_other_calls_are_refused(connection);
    a_forgotten_stream_does_not_keep_its_connection(argv[1]);
    a_result_of_a_stream_outlives_everything(argv[1]);
    two_threads_on_one_stream_get_an_error(pool);
    misuse_of_a_stream_is_an_error(connection);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    return 0;
}
