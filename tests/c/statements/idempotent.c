/* Statements that may be repeated, and those that may not, when the connection is lost under them. */
#include "../queues.h"

/* Ends its own session, the first time it is run. */
static const char *const ENDS_ONE_SESSION =
    "select case when nextval('runs_in_c') = 1 then pg_terminate_backend(pg_backend_pid()) else true end";
static const char *const ENDS_ITS_SESSION = "select pg_terminate_backend(pg_backend_pid())";

static void begin_anew(const holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_script(connection, "drop sequence if exists runs_in_c; create sequence runs_in_c",
                                  HOLDFAST_NUL, NULL, &error));
    holdfast_connection_release(connection);
}

static uint64_t broken(const holdfast_pool *pool)
{
    holdfast_stats stats = {.struct_size = sizeof stats};
    holdfast_error *error;

    OK(holdfast_pool_stats(pool, &stats, &error));
    return stats.closed_broken;
}

static holdfast_status query(const holdfast_pool *pool, const holdfast_acquire_options *options, const char *sql,
                             holdfast_error **error)
{
    holdfast_result *result;
    holdfast_status status =
        holdfast_pool_query(pool, options, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, error);

    CHECK(status != HOLDFAST_STATUS_OK || holdfast_result_rows(result) == 1);
    holdfast_result_free(result);
    return status;
}

static void only_what_may_be_repeated_is(const holdfast_pool *pool)
{
    holdfast_acquire_options options = {.struct_size = sizeof options, .idempotent = 1};
    holdfast_error *error;

    begin_anew(pool);
    CHECK(query(pool, NULL, ENDS_ONE_SESSION, &error) == HOLDFAST_STATUS_CONNECTION_LOST);
    CHECK(!holdfast_error_is_retryable(error));
    holdfast_error_free(error);

    begin_anew(pool);
    OK(query(pool, &options, ENDS_ONE_SESSION, &error));
}

static void a_prepared_statement_too(const holdfast_pool *pool)
{
    holdfast_acquire_options options = {.struct_size = sizeof options, .idempotent = 1};
    holdfast_connection *connection;
    holdfast_statement *statement;
    holdfast_result *result;
    holdfast_error *error;

    begin_anew(pool);
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_prepare(connection, ENDS_ONE_SESSION, HOLDFAST_NUL, NULL, 0, &statement, &error));
    holdfast_connection_release(connection);
    OK(holdfast_pool_execute(pool, &options, statement, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    holdfast_result_free(result);
    holdfast_statement_free(statement);
}

static void what_always_loses_its_connection_is_given_up(const holdfast_pool *pool)
{
    holdfast_acquire_options options = {.struct_size = sizeof options, .idempotent = 1, .retries = HOLDFAST_NO_RETRY};
    holdfast_error *error;
    uint64_t before = broken(pool);

    CHECK(query(pool, &options, ENDS_ITS_SESSION, &error) == HOLDFAST_STATUS_CONNECTION_LOST);
    CHECK(holdfast_error_is_retryable(error) && has(holdfast_error_message(error), "run 2 times"));
    holdfast_error_free(error);
    CHECK(broken(pool) == before + 2);
}

static holdfast_status submit_with(const holdfast_pool *pool, holdfast_queue *queue, const char *sql,
                                   holdfast_submit_options options)
{
    holdfast_error *error;
    holdfast_completion done;
    holdfast_status status;

    OK(holdfast_submit_query(pool, queue, 1, &options, sql, HOLDFAST_NUL, NULL, 0, NULL, &error));
    done = next(queue);
    status = done.status;
    discard(done);
    return status;
}

static void a_submitted_statement_too(const holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(100);
    holdfast_submit_options once = {.struct_size = sizeof once};
    holdfast_submit_options repeated = {.struct_size = sizeof repeated, .idempotent = 1};
    uint64_t before;

    begin_anew(pool);
    CHECK(submit_with(pool, queue, ENDS_ONE_SESSION, once) == HOLDFAST_STATUS_CONNECTION_LOST);
    begin_anew(pool);
    CHECK(submit_with(pool, queue, ENDS_ONE_SESSION, repeated) == HOLDFAST_STATUS_OK);
    before = broken(pool);
    repeated.retries = HOLDFAST_NO_RETRY;
    CHECK(submit_with(pool, queue, ENDS_ITS_SESSION, repeated) == HOLDFAST_STATUS_CONNECTION_LOST);
    CHECK(broken(pool) == before + 2);
    holdfast_queue_free(queue);
}

/* Quick ones travel together; when one of them takes the session away, the others are run all the same. */
static void many_submitted_statements_outlive_a_session(const char *url)
{
    enum { MANY = 200 };
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(MANY + 10);
    holdfast_submit_options repeated = {.struct_size = sizeof repeated, .idempotent = 1};
    holdfast_error *error;

    begin_anew(pool);
    for (int i = 0; i < MANY; i++)
        OK(holdfast_submit_query(pool, queue, (uint64_t)i, &repeated, i == MANY / 2 ? ENDS_ONE_SESSION : "select true",
                                 HOLDFAST_NUL, NULL, 0, NULL, &error));
    for (int i = 0; i < MANY; i++) {
        holdfast_completion done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK);
        discard(done);
    }
    CHECK(broken(pool) == 1);
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

static void it_is_said_only_where_it_means_something(const holdfast_pool *pool)
{
    holdfast_acquire_options options = {.struct_size = sizeof options, .idempotent = 1};
    holdfast_acquire_options odd = {.struct_size = sizeof odd, .idempotent = 2};
    holdfast_submit_options submitted = {.struct_size = sizeof submitted, .idempotent = 1};
    holdfast_connection *connection;
    holdfast_queue *queue = open_queue(10);
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_acquire(pool, &options, &connection, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, query(pool, &odd, "select true", &error));
    options.reserved = 1;
    FAILS(HOLDFAST_STATUS_ARGUMENT, query(pool, &options, "select true", &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_acquire(pool, queue, 1, &submitted, NULL, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_connection_query(connection, queue, 1, &submitted, "select 1",
                                                                     HOLDFAST_NUL, NULL, 0, NULL, &error));
    holdfast_connection_release(connection);
    submitted.idempotent = 3;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_query(pool, queue, 1, &submitted, "select 1", HOLDFAST_NUL, NULL, 0,
                                                          NULL, &error));
    holdfast_queue_free(queue);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;

    CHECK(argc > 1);
    pool = open_pool(argv[1], "2");
    only_what_may_be_repeated_is(pool);
    a_prepared_statement_too(pool);
    what_always_loses_its_connection_is_given_up(pool);
    a_submitted_statement_too(pool);
    many_submitted_statements_outlive_a_session(argv[1]);
    it_is_said_only_where_it_means_something(pool);
    holdfast_pool_free(pool);
    return 0;
}
