/* Many statements in one call: each for itself, and all or nothing. */
#include "../check.h"


static int64_t count(holdfast_connection *connection, const char *sql)
{
    holdfast_result *result;
    holdfast_error *error;
    int64_t value;
    OK(holdfast_connection_query(connection, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_i64(result, 0, 0, &value, &error));
    holdfast_result_free(result);
    return value;
}

static holdfast_outcomes *run(holdfast_connection *connection, const holdfast_request *requests, size_t n, int32_t mode)
{
    holdfast_outcomes *outcomes;
    holdfast_error *error;
    OK(holdfast_connection_pipeline(connection, requests, n, mode, &outcomes, &error));
    CHECK(holdfast_outcomes_count(outcomes) == n);
    for (size_t i = 0; i < n; i++)
        CHECK((holdfast_outcomes_result(outcomes, i) == NULL) != (holdfast_outcomes_error(outcomes, i) == NULL));
    CHECK(holdfast_outcomes_result(outcomes, n) == NULL && holdfast_outcomes_error(outcomes, n) == NULL);
    return outcomes;
}

/* Returns the status of the statement of this index. */
static holdfast_status status(const holdfast_outcomes *outcomes, size_t index)
{
    return holdfast_error_status(holdfast_outcomes_error(outcomes, index));
}

static void a_failure_is_that_of_one_statement_or_of_all(holdfast_connection *connection)
{
    static const char *const numbers[5] = {"1", "2", "1", "4", "5"};
    holdfast_param params[5];
    holdfast_request requests[5];
    holdfast_outcomes *outcomes;
    const holdfast_error *error;

    memset(requests, 0, sizeof requests);
    for (size_t i = 0; i < 5; i++) {
        holdfast_param param = {numbers[i], 1, 0, HOLDFAST_FORMAT_TEXT};
        params[i] = param;
        requests[i].sql = "insert into piped values ($1)";
        requests[i].sql_len = HOLDFAST_NUL;
        requests[i].params = &params[i];
        requests[i].nparams = 1;
    }
    script(connection, "create temp table piped (n int primary key)");
    outcomes = run(connection, requests, 5, HOLDFAST_PIPELINE_TOGETHER);
    for (size_t i = 0; i < 5; i++) {
        error = holdfast_outcomes_error(outcomes, i);
        CHECK(!holdfast_error_is_retryable(error) && is(holdfast_error_phase(error), "query"));
        CHECK(holdfast_error_target(error).len > 0);
        if (i == 2) {
            CHECK(status(outcomes, i) == HOLDFAST_STATUS_DATABASE && is(holdfast_error_sqlstate(error), "23505"));
        } else {
            CHECK(status(outcomes, i) == HOLDFAST_STATUS_ROLLED_BACK && is(holdfast_error_sqlstate(error), ""));
            CHECK(has(holdfast_error_message(error), i < 2 ? "undone" : "not run"));
            CHECK(has(holdfast_error_message(error), "requests[2] of the pipeline failed"));
        }
    }
    holdfast_outcomes_free(outcomes);
    CHECK(count(connection, "select count(*) from piped") == 0);

    outcomes = run(connection, requests, 5, HOLDFAST_PIPELINE_SEPARATE);
    for (size_t i = 0; i < 5; i++)
        CHECK(status(outcomes, i) == (i == 2 ? HOLDFAST_STATUS_DATABASE : HOLDFAST_STATUS_OK));
    CHECK(is(holdfast_result_command_tag(holdfast_outcomes_result(outcomes, 4)), "INSERT 0 1"));
    CHECK(holdfast_result_rows_affected(holdfast_outcomes_result(outcomes, 4)) == 1);
    holdfast_outcomes_free(outcomes);
    CHECK(count(connection, "select count(*) from piped") == 4);
}

static void ten_thousand_inserts_are_one_call(holdfast_connection *connection)
{
    const char *const sql = "insert into many values ($1, $2)";
    const size_t many = as_many_as(10000);
    char (*digits)[8] = malloc(many * sizeof *digits);
    holdfast_param *params = malloc(2 * many * sizeof *params);
    holdfast_request *requests = calloc(many, sizeof *requests);

    CHECK(digits != NULL && params != NULL && requests != NULL);
    script(connection, "create temp table many (n int, word text)");
    for (size_t i = 0; i < many; i++) {
        holdfast_param number = {digits[i], HOLDFAST_NUL, 23, HOLDFAST_FORMAT_TEXT};
        holdfast_param word = {"word", 4, 25, HOLDFAST_FORMAT_TEXT};
        snprintf(digits[i], sizeof digits[i], "%u", (unsigned)i);
        params[2 * i] = number;
        params[2 * i + 1] = word;
        requests[i].sql = sql;
        requests[i].sql_len = strlen(sql);
        requests[i].params = &params[2 * i];
        requests[i].nparams = 2;
    }
    for (int32_t mode = HOLDFAST_PIPELINE_SEPARATE; mode <= HOLDFAST_PIPELINE_TOGETHER; mode++) {
        holdfast_outcomes *outcomes = run(connection, requests, many, mode);
        for (size_t i = 0; i < many; i++)
            CHECK(holdfast_result_rows_affected(holdfast_outcomes_result(outcomes, i)) == 1);
        holdfast_outcomes_free(outcomes);
        CHECK(count(connection, "select count(distinct n) from many") == (int64_t)many);
        CHECK(count(connection, "select count(*) from many") == (mode + 1) * (int64_t)many);
    }
    free(requests);
    free(params);
    free(digits);
}

/* Much more in both directions than lies between: neither side may wait for the other to listen. */
static void large_pipelines_do_not_lock_up(holdfast_connection *connection)
{
    const size_t size = 200 * 1000, n = as_many_as(100);
    char *large = malloc(size);
    holdfast_param param = {large, size, 25, HOLDFAST_FORMAT_TEXT};
    holdfast_request *requests = calloc(n, sizeof *requests);

    CHECK(large != NULL && requests != NULL);
    memset(large, 'z', size);
    for (size_t i = 0; i < n; i++) {
        requests[i].sql = "select $1, generate_series(1, 2)";
        requests[i].sql_len = HOLDFAST_NUL;
        requests[i].params = &param;
        requests[i].nparams = 1;
    }
    for (int32_t mode = HOLDFAST_PIPELINE_SEPARATE; mode <= HOLDFAST_PIPELINE_TOGETHER; mode++) {
        holdfast_outcomes *outcomes = run(connection, requests, n, mode);
        for (size_t i = 0; i < n; i++) {
            const holdfast_result *result = holdfast_outcomes_result(outcomes, i);
            CHECK(holdfast_result_rows(result) == 2 && holdfast_result_cell(result, 1, 0).len == size);
        }
        holdfast_outcomes_free(outcomes);
    }
    free(requests);
    free(large);
}

static void outcomes_of_texts_and_statements_outlive_everything(const char *url)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_statement *statement;
    holdfast_param param = {"20", 2, 0, HOLDFAST_FORMAT_TEXT};
    holdfast_request requests[4];
    holdfast_outcomes *outcomes;
    holdfast_result *kept;
    holdfast_error *error;
    int64_t value;

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_prepare(connection, "select $1::int8 + 1", HOLDFAST_NUL, NULL, 0, &statement, &error));
    memset(requests, 0, sizeof requests);
    for (size_t i = 0; i < 3; i++) {
        requests[i].statement = statement;
        requests[i].params = &param;
        requests[i].nparams = 1;
        requests[i].result_format = (int32_t)i;
    }
    requests[3].sql = "select 21 where false";
    requests[3].sql_len = HOLDFAST_NUL;
    requests[3].result_format = HOLDFAST_FORMAT_AUTOMATIC;
    outcomes = run(connection, requests, 4, HOLDFAST_PIPELINE_SEPARATE);
    holdfast_statement_free(statement);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    for (size_t i = 0; i < 3; i++) {
        OK(holdfast_result_i64(holdfast_outcomes_result(outcomes, i), 0, 0, &value, &error));
        CHECK(value == 21);
    }
    CHECK(holdfast_result_rows(holdfast_outcomes_result(outcomes, 3)) == 0);
    CHECK(holdfast_result_columns(holdfast_outcomes_result(outcomes, 3)) == 1);
    kept = holdfast_result_clone(holdfast_outcomes_result(outcomes, 1));
    holdfast_outcomes_free(outcomes);
    OK(holdfast_result_i64(kept, 0, 0, &value, &error));
    CHECK(value == 21);
    holdfast_result_free(kept);
}

static void what_cannot_be_sent_is_refused_and_named(holdfast_connection *connection)
{
    holdfast_param param = {"1", 1, 25, HOLDFAST_FORMAT_TEXT};
    holdfast_request requests[2];
    holdfast_statement *statement;
    holdfast_outcomes *outcomes;
    holdfast_error *error;
    void *as_if = connection;

    script(connection, "create temp table unsent (n int)");
    OK(holdfast_connection_prepare(connection, "select $1::int4", HOLDFAST_NUL, NULL, 0, &statement, &error));
    memset(requests, 0, sizeof requests);
    requests[0].sql = "insert into unsent values (1)";
    requests[0].sql_len = HOLDFAST_NUL;

    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_pipeline(NULL, requests, 1, 0, &outcomes, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_pipeline(connection, NULL, 1, 0, &outcomes, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_pipeline(connection, requests, 1, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_pipeline((void *)statement, requests, 1, 0, &outcomes, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_pipeline(connection, requests, 1, 2, &outcomes, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_pipeline(connection, requests, SIZE_MAX, 0, &outcomes, &error));

    requests[1].statement = statement;
    requests[1].params = &param;
    requests[1].nparams = 1;
    CHECK(holdfast_connection_pipeline(connection, requests, 2, 0, &outcomes, &error) == HOLDFAST_STATUS_ARGUMENT);
    CHECK(has(holdfast_error_message(error), "requests[1]: params[0].type_oid is 25") && outcomes == NULL);
    holdfast_error_free(error);
    requests[1].nparams = 0;
    CHECK(holdfast_connection_pipeline(connection, requests, 2, 1, &outcomes, &error) == HOLDFAST_STATUS_MISUSE);
    CHECK(has(holdfast_error_message(error), "requests[1]"));
    holdfast_error_free(error);
    requests[1].nparams = 1;
    requests[1].params = NULL;
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_pipeline(connection, requests, 2, 0, &outcomes, &error));
    requests[1].nparams = 0;
    requests[1].reserved = 1;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_pipeline(connection, requests, 2, 0, &outcomes, &error));
    requests[1].reserved = 0;
    requests[1].result_format = 3;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_pipeline(connection, requests, 2, 0, &outcomes, &error));
    requests[1].result_format = 0;
    requests[1].statement = as_if;
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_pipeline(connection, requests, 2, 0, &outcomes, &error));
    requests[1].statement = NULL;
    requests[1].sql = "\xff";
    requests[1].sql_len = 1;
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_connection_pipeline(connection, requests, 2, 0, &outcomes, &error));
    requests[1].sql = "copy unsent from stdin";
    requests[1].sql_len = HOLDFAST_NUL;
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_pipeline(connection, requests, 2, 0, &outcomes, &error));
    CHECK(count(connection, "select count(*) from unsent") == 0);

    outcomes = run(connection, NULL, 0, HOLDFAST_PIPELINE_TOGETHER);
    CHECK(holdfast_outcomes_count(outcomes) == 0);
    holdfast_outcomes_free(outcomes);
    CHECK(holdfast_outcomes_count(NULL) == 0 && holdfast_outcomes_count(as_if) == 0);
    CHECK(holdfast_outcomes_result(NULL, 0) == NULL && holdfast_outcomes_error(NULL, 0) == NULL);
    holdfast_outcomes_free(NULL);
    holdfast_outcomes_free(as_if); /* left alone */
    holdfast_statement_free(statement);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    a_failure_is_that_of_one_statement_or_of_all(connection);
    ten_thousand_inserts_are_one_call(connection);
    large_pipelines_do_not_lock_up(connection);
    outcomes_of_texts_and_statements_outlive_everything(argv[1]);
    what_cannot_be_sent_is_refused_and_named(connection);
    holdfast_connection_discard(connection);
    holdfast_pool_free(pool);
    return 0;
}
