/* Submitting what the blocking calls do: prepared statements, packs, pipelines, transactions step by step. */
#include "../queues.h"

/* A single value of a result, as text. */
static bool is_value(const holdfast_result *result, const char *wanted)
{
    holdfast_cell cell = holdfast_result_cell(result, 0, 0);
    return cell.ptr != NULL && strcmp((const char *)cell.ptr, wanted) == 0;
}

static void expect_value(holdfast_queue *queue, int32_t kind, const char *wanted)
{
    holdfast_completion done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_OK && done.kind == kind);
    CHECK(is_value(done.result, wanted) && done.pack == NULL && done.outcomes == NULL && done.results == NULL);
    discard(done);
}

static void expect_nothing_but_success(holdfast_queue *queue, int32_t kind)
{
    holdfast_completion done = next(queue);
    if (done.status != HOLDFAST_STATUS_OK)
        fprintf(stderr, "%s\n", holdfast_error_message(done.error).ptr);
    CHECK(done.status == HOLDFAST_STATUS_OK && done.kind == kind);
    CHECK(done.result == NULL && done.results == NULL && done.outcomes == NULL && done.pack == NULL);
    CHECK(done.connection == NULL);
}

static void prepared_statements_run_anywhere(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(200);
    holdfast_connection *connection = acquire(pool);
    holdfast_submit_options options = {.struct_size = sizeof options};
    holdfast_param param = {"20", HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT}, wrong = {"20", HOLDFAST_NUL, 25, 0};
    holdfast_statement *statement;
    holdfast_error *error;
    uint64_t request = 0;

    OK(holdfast_connection_prepare(connection, "select $1::int + 22", HOLDFAST_NUL, NULL, 0, &statement, &error));
    OK(holdfast_submit_execute(pool, queue, 1, &options, statement, &param, 1, &request, &error));
    CHECK(request != 0);
    expect_value(queue, HOLDFAST_SUBMIT_EXECUTE, "42");
    OK(holdfast_submit_connection_execute(connection, queue, 2, NULL, statement, &param, 1, NULL, &error));
    expect_value(queue, HOLDFAST_SUBMIT_CONNECTION_EXECUTE, "42");
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_execute(pool, queue, 3, NULL, statement, &wrong, 1, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_execute(pool, queue, 3, NULL, NULL, &param, 1, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_submit_connection_execute(connection, queue, 3, NULL, NULL, &param, 1, NULL, &error));
    /* So many that some travel together; the request keeps what it needs of the statement. */
    for (uint64_t tag = 0; tag < 150; tag++)
        OK(holdfast_submit_execute(pool, queue, tag, NULL, statement, &param, 1, NULL, &error));
    holdfast_statement_free(statement);
    for (int i = 0; i < 150; i++)
        expect_value(queue, HOLDFAST_SUBMIT_EXECUTE, "42");
    /* A wrong number is found when it runs. */
    OK(holdfast_submit_query(pool, queue, 1, NULL, "select $1::int", HOLDFAST_NUL, NULL, 0, NULL, &error));
    holdfast_completion done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_MISUSE);
    discard(done);
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
}

static void results_are_packed_where_they_were_run(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(100);
    holdfast_connection *connection = acquire(pool);
    holdfast_submit_options options = {
        .struct_size = sizeof options, .result_format = HOLDFAST_FORMAT_AUTOMATIC, .pack = 1};
    holdfast_completion done;
    holdfast_pack_header header;
    holdfast_error *error;

    for (uint64_t tag = 0; tag < 60; tag++)
        OK(holdfast_submit_query(pool, queue, tag, &options, "select n from generate_series(1, 3) n", HOLDFAST_NUL,
                                 NULL, 0, NULL, &error));
    OK(holdfast_submit_connection_query(connection, queue, 60, &options, "select n from generate_series(1, 3) n",
                                        HOLDFAST_NUL, NULL, 0, NULL, &error));
    for (int i = 0; i <= 60; i++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK && done.result == NULL && done.pack != NULL);
        CHECK(holdfast_pack_data(done.pack).len > sizeof header);
        memcpy(&header, holdfast_pack_data(done.pack).ptr, sizeof header);
        CHECK(header.magic == HOLDFAST_PACK_MAGIC && header.rows == 3 && header.columns == 1);
        discard(done);
    }
    OK(holdfast_submit_query(pool, queue, 61, &options, "select 1/0", HOLDFAST_NUL, NULL, 0, NULL, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_DATABASE && done.pack == NULL);
    discard(done);
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_acquire(pool, queue, 1, &options, NULL, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_pipeline(pool, queue, 1, &options, NULL, 0, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_connection_script(connection, queue, 1, &options, "", 0, NULL,
                                                                      &error));
    options.pack = 2;
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_query(pool, queue, 1, &options, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
}

static void pipelines_tell_of_each_statement(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(10);
    holdfast_connection *connection = acquire(pool);
    char texts[3][40] = {"insert into lane values (1)", "insert into lane values (1)", "select count(*) from lane"};
    holdfast_request requests[3];
    holdfast_completion done;
    holdfast_error *error;

    pool_script(pool, "drop table if exists lane; create table lane (n int primary key)");
    memset(requests, 0, sizeof requests);
    for (int i = 0; i < 3; i++) {
        requests[i].sql = texts[i];
        requests[i].sql_len = HOLDFAST_NUL;
    }
    OK(holdfast_submit_pipeline(pool, queue, 1, NULL, requests, 3, HOLDFAST_PIPELINE_SEPARATE, NULL, &error));
    OK(holdfast_submit_connection_pipeline(connection, queue, 2, NULL, requests, 0, HOLDFAST_PIPELINE_SEPARATE, NULL,
                                           &error));
    memset(texts, 'x', sizeof texts); /* copied */
    for (int i = 0; i < 2; i++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK && done.result == NULL && done.outcomes != NULL);
        if (done.tag == 2) {
            CHECK(done.kind == HOLDFAST_SUBMIT_CONNECTION_PIPELINE && holdfast_outcomes_count(done.outcomes) == 0);
        } else {
            CHECK(done.kind == HOLDFAST_SUBMIT_PIPELINE && holdfast_outcomes_count(done.outcomes) == 3);
            CHECK(is(holdfast_error_sqlstate(holdfast_outcomes_error(done.outcomes, 1)), "23505"));
            CHECK(holdfast_error_target(holdfast_outcomes_error(done.outcomes, 1)).len > 0);
            CHECK(is_value(holdfast_outcomes_result(done.outcomes, 2), "1"));
        }
        discard(done);
    }
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_pipeline(pool, queue, 3, NULL, requests, 1, 7, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_pipeline(pool, queue, 3, NULL, NULL, 1, 0, NULL, &error));

    /* Together they are a transaction. */
    requests[0].sql = "insert into lane values (2)";
    requests[1].sql = "insert into lane values (1)";
    OK(holdfast_submit_pipeline(pool, queue, 4, NULL, requests, 2, HOLDFAST_PIPELINE_TOGETHER, NULL, &error));
    done = next(queue);
    CHECK(holdfast_error_status(holdfast_outcomes_error(done.outcomes, 0)) == HOLDFAST_STATUS_ROLLED_BACK);
    discard(done);
    CHECK(read_number(pool, "select count(*) from lane") == 1);
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
}

static void a_transaction_by_hand_is_submitted_step_by_step(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(20);
    holdfast_connection *connection = acquire(pool);
    holdfast_transaction_options options = {.struct_size = sizeof options,
                                            .isolation = HOLDFAST_ISOLATION_SERIALIZABLE};
    holdfast_completion done;
    holdfast_error *error;

    pool_script(pool, "drop table if exists step; create table step (n int primary key)");
    OK(holdfast_submit_connection_begin(connection, queue, 1, NULL, &options, NULL, &error));
    OK(holdfast_submit_connection_query(connection, queue, 2, NULL, "show transaction_isolation", HOLDFAST_NUL, NULL, 0,
                                        NULL, &error));
    OK(holdfast_submit_connection_script(connection, queue, 3, NULL, "insert into step values (1)", HOLDFAST_NUL, NULL,
                                         &error));
    OK(holdfast_submit_connection_commit(connection, queue, 4, NULL, NULL, &error));
    expect_nothing_but_success(queue, HOLDFAST_SUBMIT_CONNECTION_BEGIN);
    expect_value(queue, HOLDFAST_SUBMIT_CONNECTION_QUERY, "serializable");
    discard(next(queue));
    expect_nothing_but_success(queue, HOLDFAST_SUBMIT_CONNECTION_COMMIT);
    CHECK(read_number(pool, "select count(*) from step") == 1);

    OK(holdfast_submit_connection_begin(connection, queue, 1, NULL, NULL, NULL, &error));
    OK(holdfast_submit_connection_script(connection, queue, 2, NULL, "delete from step", HOLDFAST_NUL, NULL, &error));
    OK(holdfast_submit_connection_rollback(connection, queue, 3, NULL, NULL, &error));
    expect_nothing_but_success(queue, HOLDFAST_SUBMIT_CONNECTION_BEGIN);
    discard(next(queue));
    expect_nothing_but_success(queue, HOLDFAST_SUBMIT_CONNECTION_ROLLBACK);
    CHECK(read_number(pool, "select count(*) from step") == 1);

    /* A commit of what failed says so; one without a transaction is a mistake. */
    OK(holdfast_submit_connection_begin(connection, queue, 1, NULL, NULL, NULL, &error));
    OK(holdfast_submit_connection_query(connection, queue, 2, NULL, "select 1/0", HOLDFAST_NUL, NULL, 0, NULL, &error));
    OK(holdfast_submit_connection_commit(connection, queue, 3, NULL, NULL, &error));
    OK(holdfast_submit_connection_commit(connection, queue, 4, NULL, NULL, &error));
    discard(next(queue));
    discard(next(queue));
    done = next(queue);
    CHECK(done.tag == 3 && done.status == HOLDFAST_STATUS_ROLLED_BACK);
    discard(done);
    done = next(queue);
    CHECK(done.tag == 4 && done.status == HOLDFAST_STATUS_MISUSE);
    discard(done);

    options.isolation = 9;
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_connection_begin(connection, queue, 1, NULL, &options, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_connection_begin(NULL, queue, 1, NULL, NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_connection_commit(NULL, queue, 1, NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_connection_rollback(connection, NULL, 1, NULL, NULL, &error));
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
}

/* Every outcome of a pipeline comes by itself: the first while the last still runs. */
static void outcomes_of_a_pipeline_come_one_by_one(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(9);
    holdfast_connection *connection;
    holdfast_submit_options parts = {.struct_size = sizeof parts, .in_parts = 1};
    holdfast_request requests[4] = {
        {.sql = "select 41", .sql_len = HOLDFAST_NUL},
        {.sql = "select 1 / 0", .sql_len = HOLDFAST_NUL},
        {.sql = "select pg_sleep(2)", .sql_len = HOLDFAST_NUL},
        {.sql = "select 43", .sql_len = HOLDFAST_NUL},
    };
    const holdfast_status separate[4] = {HOLDFAST_STATUS_OK, HOLDFAST_STATUS_DATABASE, HOLDFAST_STATUS_OK,
                                         HOLDFAST_STATUS_OK};
    const holdfast_status together[4] = {HOLDFAST_STATUS_ROLLED_BACK, HOLDFAST_STATUS_DATABASE,
                                         HOLDFAST_STATUS_ROLLED_BACK, HOLDFAST_STATUS_ROLLED_BACK};
    holdfast_completion done;
    holdfast_error *error;
    uint64_t number, running_us = 0;

    for (int round = 0; round < 3; round++) {
        const holdfast_status *wanted = round == 2 ? together : separate;
        OK(holdfast_submit_pipeline(pool, queue, 7, &parts, requests, 4, round == 2, &number, &error));
        CHECK(holdfast_queue_pending(queue) == 5);
        for (uint64_t index = 0; index < 4; index++) {
            done = next(queue);
            CHECK(done.tag == 7 && done.request == number && done.kind == HOLDFAST_SUBMIT_PIPELINE);
            CHECK(done.more == 1 && done.index == index && done.status == wanted[index] && done.outcomes == NULL);
            CHECK((done.result != NULL) == (done.status == HOLDFAST_STATUS_OK));
            /* While the third ran, the second was answered already. */
            CHECK(round == 2 || index != 2 || done.running_us - running_us > 200000);
            running_us = done.running_us;
            if (index == 0 && round != 2)
                CHECK(is_value(done.result, "41"));
            discard(done);
        }
        done = next(queue);
        CHECK(done.more == 0 && done.index == 0 && done.status == HOLDFAST_STATUS_OK && done.outcomes == NULL);
        CHECK(holdfast_queue_pending(queue) == 0);
    }

    /* There must be room for all that may come; a failure at once gives it back. */
    OK(holdfast_submit_pipeline(pool, queue, 8, &parts, requests, 4, 0, &number, &error));
    FAILS(HOLDFAST_STATUS_QUEUE_FULL, holdfast_submit_pipeline(pool, queue, 8, &parts, requests, 4, 0, NULL, &error));
    OK(holdfast_request_cancel(queue, number, &error));
    do {
        done = next(queue);
        discard(done);
    } while (done.more == 1);
    CHECK(holdfast_queue_pending(queue) == 0);
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_query(pool, queue, 8, &parts, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));

    /* What came before the connection was lost stands. */
    requests[1].sql = "select pg_terminate_backend(pg_backend_pid())";
    connection = acquire_by_queue(pool, queue);
    OK(holdfast_submit_connection_pipeline(connection, queue, 9, &parts, requests, 4, 0, NULL, &error));
    done = next(queue);
    CHECK(done.more == 1 && done.index == 0 && is_value(done.result, "41"));
    discard(done);
    do {
        done = next(queue);
        discard(done);
    } while (done.more == 1);
    CHECK(done.status == HOLDFAST_STATUS_CONNECTION_LOST && holdfast_queue_pending(queue) == 0);
    /* The queue goes while parts are under way. */
    OK(holdfast_submit_pipeline(pool, queue, 10, &parts, requests, 1, 0, NULL, &error));
    holdfast_queue_free(queue);
    holdfast_connection_release(connection);
    pool_script(pool, "select 1");
    holdfast_pool_free(pool);
}

static void statements_are_prepared_and_scripts_run(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire(pool);
    holdfast_submit_options packed = {.struct_size = sizeof packed, .pack = 1};
    holdfast_param param = {"20", HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT};
    const uint32_t types[] = {20};
    holdfast_completion done;
    holdfast_error *error;

    OK(holdfast_submit_connection_prepare(connection, queue, 1, NULL, "select $1 + 1", HOLDFAST_NUL, types, 1, NULL,
                                          &error));
    done = next_of(queue, HOLDFAST_SUBMIT_CONNECTION_PREPARE, 1);
    CHECK(holdfast_statement_parameter_type(done.statement, 0) == 20);
    CHECK(is(holdfast_statement_text(done.statement), "select $1 + 1"));
    OK(holdfast_submit_execute(pool, queue, 2, NULL, done.statement, &param, 1, NULL, &error));
    expect_value(queue, HOLDFAST_SUBMIT_EXECUTE, "21");
    discard(done);
    OK(holdfast_submit_connection_prepare(connection, queue, 3, NULL, "select nothing", HOLDFAST_NUL, NULL, 0, NULL,
                                          &error));
    next_fails(queue, HOLDFAST_SUBMIT_CONNECTION_PREPARE, HOLDFAST_STATUS_DATABASE);

    OK(holdfast_submit_script(pool, queue, 4, NULL, "select 1; select 2; create temp table s (n int)", HOLDFAST_NUL,
                              NULL, &error));
    done = next_of(queue, HOLDFAST_SUBMIT_SCRIPT, 4);
    CHECK(holdfast_results_count(done.results) == 3 && done.result == NULL);
    discard(done);
    OK(holdfast_submit_script(pool, queue, 5, NULL, "select 1; select 1 / 0", HOLDFAST_NUL, NULL, &error));
    next_fails(queue, HOLDFAST_SUBMIT_SCRIPT, HOLDFAST_STATUS_DATABASE);
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_script(pool, queue, 5, &packed, "select 1", HOLDFAST_NUL, NULL, &error));
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
}

static void savepoints_undo_part_of_a_transaction(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire(pool);
    const char *name = "it's \"one\"";
    holdfast_error *error;

    script(connection, "create temp table steps (n int)");
    OK(holdfast_submit_connection_begin(connection, queue, 1, NULL, NULL, NULL, &error));
    OK(holdfast_submit_connection_savepoint(connection, queue, 1, NULL, name, HOLDFAST_NUL, NULL, &error));
    OK(holdfast_submit_connection_script(connection, queue, 1, NULL, "select 1 / 0", HOLDFAST_NUL, NULL, &error));
    OK(holdfast_submit_connection_rollback_to(connection, queue, 1, NULL, name, HOLDFAST_NUL, NULL, &error));
    OK(holdfast_submit_connection_query(connection, queue, 1, NULL, "insert into steps values (1)", HOLDFAST_NUL, NULL,
                                        0, NULL, &error));
    OK(holdfast_submit_connection_release_savepoint(connection, queue, 1, NULL, name, HOLDFAST_NUL, NULL, &error));
    OK(holdfast_submit_connection_rollback_to(connection, queue, 1, NULL, name, HOLDFAST_NUL, NULL, &error));
    OK(holdfast_submit_connection_rollback(connection, queue, 1, NULL, NULL, &error));
    discard(next_of(queue, HOLDFAST_SUBMIT_CONNECTION_BEGIN, 1));
    discard(next_of(queue, HOLDFAST_SUBMIT_CONNECTION_SAVEPOINT, 1));
    next_fails(queue, HOLDFAST_SUBMIT_CONNECTION_SCRIPT, HOLDFAST_STATUS_DATABASE);
    discard(next_of(queue, HOLDFAST_SUBMIT_CONNECTION_ROLLBACK_TO, 1));
    discard(next_of(queue, HOLDFAST_SUBMIT_CONNECTION_QUERY, 1));
    discard(next_of(queue, HOLDFAST_SUBMIT_CONNECTION_RELEASE_SAVEPOINT, 1));
    next_fails(queue, HOLDFAST_SUBMIT_CONNECTION_ROLLBACK_TO, HOLDFAST_STATUS_DATABASE);
    discard(next_of(queue, HOLDFAST_SUBMIT_CONNECTION_ROLLBACK, 1));
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
}

static void a_deadline_may_cover_the_wait_for_a_connection(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(10);
    holdfast_connection *held = acquire(pool);
    holdfast_submit_options options = {.struct_size = sizeof options, .deadline_ms = 200, .deadline_covers_wait = 1};
    holdfast_completion done;
    holdfast_error *error;

    OK(holdfast_submit_query(pool, queue, 1, &options, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_POOL_TIMEOUT);
    CHECK(holdfast_error_elapsed_us(done.error) >= 150000 && holdfast_error_elapsed_us(done.error) < 3000000);
    discard(done);
    holdfast_connection_release(held);
    OK(holdfast_submit_query(pool, queue, 2, &options, "select pg_sleep(60)", HOLDFAST_NUL, NULL, 0, NULL, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_QUERY_TIMEOUT);
    discard(done);
    options.deadline_covers_wait = 2;
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_query(pool, queue, 3, &options, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;

    CHECK(argc > 1);
    pool = open_pool(argv[1], "3");
    prepared_statements_run_anywhere(pool);
    results_are_packed_where_they_were_run(pool);
    pipelines_tell_of_each_statement(pool);
    a_transaction_by_hand_is_submitted_step_by_step(pool);
    statements_are_prepared_and_scripts_run(pool);
    outcomes_of_a_pipeline_come_one_by_one(argv[1]);
    savepoints_undo_part_of_a_transaction(pool);
    a_deadline_may_cover_the_wait_for_a_connection(argv[1]);
    holdfast_pool_free(pool);
    return 0;
}
