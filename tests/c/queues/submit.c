/* Submitting what the blocking calls do: prepared statements, packs, pipelines, transactions. */
#include "../queues.h"

#include <pthread.h>

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

static holdfast_connection *acquire(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    return connection;
}

static int64_t number(holdfast_pool *pool, const char *sql)
{
    holdfast_result *result;
    holdfast_error *error;
    int64_t value;
    OK(holdfast_pool_query(pool, NULL, sql, HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    OK(holdfast_result_i64(result, 0, 0, &value, &error));
    holdfast_result_free(result);
    return value;
}

static void script(holdfast_pool *pool, const char *sql)
{
    holdfast_connection *connection = acquire(pool);
    holdfast_error *error;
    OK(holdfast_connection_script(connection, sql, HOLDFAST_NUL, NULL, &error));
    holdfast_connection_release(connection);
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

    script(pool, "drop table if exists lane; create table lane (n int primary key)");
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
    CHECK(number(pool, "select count(*) from lane") == 1);
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

    script(pool, "drop table if exists step; create table step (n int primary key)");
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
    CHECK(number(pool, "select count(*) from step") == 1);

    OK(holdfast_submit_connection_begin(connection, queue, 1, NULL, NULL, NULL, &error));
    OK(holdfast_submit_connection_script(connection, queue, 2, NULL, "delete from step", HOLDFAST_NUL, NULL, &error));
    OK(holdfast_submit_connection_rollback(connection, queue, 3, NULL, NULL, &error));
    expect_nothing_but_success(queue, HOLDFAST_SUBMIT_CONNECTION_BEGIN);
    discard(next(queue));
    expect_nothing_but_success(queue, HOLDFAST_SUBMIT_CONNECTION_ROLLBACK);
    CHECK(number(pool, "select count(*) from step") == 1);

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

/* The work of a submitted transaction, and the counts of its runs and frees. */
typedef struct {
    const char *first;  /* The statement of its first run. */
    const char *then;   /* That of the others. */
    holdfast_status answer;
    pthread_mutex_t lock;
    int runs, destroyed;
} Plan;

static Plan plan_of(const char *first, const char *then)
{
    return (Plan){.first = first, .then = then, .lock = PTHREAD_MUTEX_INITIALIZER};
}

static holdfast_status follow(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Plan *plan = user_data;
    holdfast_status status;
    int runs;

    pthread_mutex_lock(&plan->lock);
    runs = ++plan->runs;
    pthread_mutex_unlock(&plan->lock);
    CHECK(holdfast_connection_commit(connection, NULL) == HOLDFAST_STATUS_MISUSE);
    status = holdfast_connection_script(connection, runs == 1 ? plan->first : plan->then, HOLDFAST_NUL, NULL, error);
    return status == HOLDFAST_STATUS_OK ? plan->answer : status;
}

static void destroy(void *user_data)
{
    Plan *plan = user_data;
    pthread_mutex_lock(&plan->lock);
    plan->destroyed++;
    pthread_mutex_unlock(&plan->lock);
}

static int read_of(Plan *plan, const int *figure)
{
    pthread_mutex_lock(&plan->lock);
    int value = *figure;
    pthread_mutex_unlock(&plan->lock);
    return value;
}

static void wait_until_it_runs(Plan *plan)
{
    double begun = now();
    while (read_of(plan, &plan->runs) == 0) {
        CHECK(now() - begun < 60);
        pause_ms(1); /* valgrind runs one thread at a time */
    }
}

static void expect_destroyed_once(Plan *plan)
{
    double begun = now();
    while (read_of(plan, &plan->destroyed) == 0) {
        CHECK(now() - begun < 60);
        pause_ms(1);
    }
    CHECK(read_of(plan, &plan->destroyed) == 1);
}

static uint64_t submit_plan(holdfast_pool *pool, holdfast_queue *queue, uint64_t tag, Plan *plan)
{
    holdfast_error *error;
    uint64_t request;
    OK(holdfast_submit_transaction(pool, queue, tag, NULL, NULL, follow, plan, destroy, &request, &error));
    return request;
}

#define CONFLICT "insert into paid values (100); do $$begin raise exception 'as asked' using errcode = '40001'; end$$"

static void a_transaction_is_run_and_run_again_by_the_library(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(20);
    Plan plain = plan_of("insert into paid values (1)", NULL), again = plan_of(CONFLICT, "insert into paid values (2)");
    Plan refused = plan_of("insert into paid values (3)", NULL), wrong = plan_of("select 1/0", NULL);
    Plan *plans[] = {&plain, &again, &refused, &wrong};
    holdfast_completion done;

    refused.answer = HOLDFAST_STATUS_ROLLED_BACK;
    script(pool, "drop table if exists paid; create table paid (n int primary key)");
    for (uint64_t tag = 0; tag < 4; tag++)
        submit_plan(pool, queue, tag, plans[tag]);
    for (int i = 0; i < 4; i++) {
        done = next(queue);
        CHECK(done.kind == HOLDFAST_SUBMIT_TRANSACTION && done.result == NULL);
        if (done.tag < 2)
            CHECK(done.status == HOLDFAST_STATUS_OK);
        else if (done.tag == 2)
            CHECK(done.status == HOLDFAST_STATUS_ROLLED_BACK);
        else
            CHECK(done.status == HOLDFAST_STATUS_DATABASE && is(holdfast_error_sqlstate(done.error), "22012"));
        discard(done);
    }
    CHECK(plain.runs == 1 && again.runs == 2 && refused.runs == 1 && wrong.runs == 1);
    for (int i = 0; i < 4; i++)
        expect_destroyed_once(plans[i]);
    CHECK(number(pool, "select sum(n) from paid") == 3);
    holdfast_queue_free(queue);
}

static void a_transaction_that_cannot_be_submitted_keeps_its_data(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(1);
    holdfast_submit_options options = {.struct_size = sizeof options, .deadline_ms = 1};
    Plan plan = plan_of("select 1", NULL);
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_transaction(pool, queue, 1, &options, NULL, follow, &plan, destroy, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_submit_transaction(pool, queue, 1, NULL, NULL, NULL, &plan, destroy, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_submit_transaction(NULL, queue, 1, NULL, NULL, follow, &plan, destroy, NULL, &error));
    submit(pool, queue, 1, "select pg_sleep(0.1)");
    FAILS(HOLDFAST_STATUS_QUEUE_FULL,
          holdfast_submit_transaction(pool, queue, 1, NULL, NULL, follow, &plan, destroy, NULL, &error));
    CHECK(plan.runs == 0 && plan.destroyed == 0);
    discard(next(queue));
    holdfast_queue_free(queue);
}

static void a_transaction_can_be_cancelled(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(20);
    Plan sleeps = plan_of("select pg_sleep(60)", NULL), waits = plan_of("select 1", NULL);
    Plan between = plan_of(CONFLICT, CONFLICT);
    holdfast_completion done;
    holdfast_error *error;
    uint64_t first, second;

    /* A request that runs, and one that waits for it. */
    first = submit_plan(pool, queue, 1, &sleeps);
    wait_until_it_runs(&sleeps);
    second = submit_plan(pool, queue, 2, &waits);
    OK(holdfast_request_cancel(queue, second, &error));
    done = next(queue);
    CHECK(done.tag == 2 && done.status == HOLDFAST_STATUS_CANCELED);
    discard(done);
    OK(holdfast_request_cancel(queue, first, &error));
    done = next(queue);
    CHECK(done.tag == 1 && done.status == HOLDFAST_STATUS_CANCELED && done.running_us < 20000000);
    discard(done);
    expect_destroyed_once(&sleeps);
    expect_destroyed_once(&waits);
    CHECK(sleeps.runs == 1 && waits.runs == 0);

    /* A transaction that would be run again: cancelled at some point, it ends, and nothing of it is left. */
    first = submit_plan(pool, queue, 3, &between);
    wait_until_it_runs(&between);
    OK(holdfast_request_cancel(queue, first, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_CANCELED || done.status == HOLDFAST_STATUS_DATABASE);
    discard(done);
    expect_destroyed_once(&between);
    CHECK(number(pool, "select count(*) from paid where n = 100") == 0);
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

static void a_transaction_ends_with_the_pool_or_the_queue(const char *url)
{
    for (int queue_first = 0; queue_first < 2; queue_first++) {
        holdfast_pool *pool = open_pool(url, "1");
        holdfast_queue *queue = open_queue(20);
        Plan runs = plan_of("select pg_sleep(0.3)", NULL), waits = plan_of("select 1", NULL);
        holdfast_error *error;

        submit_plan(pool, queue, 1, &runs);
        wait_until_it_runs(&runs);
        submit_plan(pool, queue, 2, &waits);
        if (queue_first) {
            holdfast_queue_free(queue);
            queue = NULL;
        }
        OK(holdfast_pool_close(pool, 5000, NULL, &error));
        if (queue != NULL) {
            for (int i = 0; i < 2; i++) {
                holdfast_completion done = next(queue);
                CHECK(done.tag == 1 ? done.status == HOLDFAST_STATUS_OK : done.status == HOLDFAST_STATUS_POOL_CLOSED);
                discard(done);
            }
            holdfast_queue_free(queue);
        }
        expect_destroyed_once(&runs);
        expect_destroyed_once(&waits);
        CHECK(waits.runs == 0);
        holdfast_pool_free(pool);
    }
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
    a_transaction_is_run_and_run_again_by_the_library(pool);
    a_transaction_that_cannot_be_submitted_keeps_its_data(pool);
    a_transaction_can_be_cancelled(argv[1]);
    a_transaction_ends_with_the_pool_or_the_queue(argv[1]);
    a_deadline_may_cover_the_wait_for_a_connection(argv[1]);
    holdfast_pool_free(pool);
    return 0;
}
