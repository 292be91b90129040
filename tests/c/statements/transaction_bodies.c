/* Transactions that the library begins, runs again and ends. The program is run more than once on one server. */
#include "../check.h"

#include <pthread.h>
#include <time.h>

/* Runs a statement on the pool, with any outcome. */
static void try_it(holdfast_pool *pool, const char *sql)
{
    holdfast_connection *connection;
    holdfast_error *error;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    (void)holdfast_connection_script(connection, sql, HOLDFAST_NUL, NULL, NULL);
    holdfast_connection_release(connection);
}

/* The work of a body, and the count of its calls. */
typedef struct {
    int calls;
    const char *first;
    const char *then;
    holdfast_status answer;
    holdfast_pool *pool;
    holdfast_status inside[6];
} Plan;

/* Does what is planned for the first call, or for the later ones; passes failures on. */
static holdfast_status follow(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Plan *plan = user_data;
    const char *sql = plan->calls++ == 0 ? plan->first : plan->then;
    CHECK(*error == NULL);
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_ACTIVE);
    if (sql) {
        holdfast_status status = holdfast_connection_script(connection, sql, HOLDFAST_NUL, NULL, error);
        if (status != HOLDFAST_STATUS_OK)
            return status;
    }
    return plan->answer;
}

/* The same, but takes no notice of failures. */
static holdfast_status swallow(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    holdfast_status status = follow(user_data, connection, error);
    if (status != HOLDFAST_STATUS_OK) {
        holdfast_error_free(*error);
        *error = NULL;
    }
    return HOLDFAST_STATUS_OK;
}

#define CONFLICT "do $$begin raise exception 'as asked' using errcode = '40001'; end$$"
#define DEADLOCK "do $$begin raise exception 'as asked' using errcode = '40P01'; end$$"

static void a_body_commits_by_success(holdfast_pool *pool)
{
    Plan plan = {.first = "insert into account values (10)"};
    holdfast_acquire_options acquire = {.struct_size = sizeof acquire, .timeout_ms = 5000};
    holdfast_error *error;
    OK(holdfast_pool_transaction(pool, NULL, NULL, follow, &plan, &error));
    CHECK(plan.calls == 1 && read_number(pool, "select count(*) from account where n = 10") == 1);
    plan = (Plan){.first = "delete from account where n = 10"};
    OK(holdfast_pool_transaction(pool, &acquire, NULL, follow, &plan, &error));
    CHECK(plan.calls == 1 && read_number(pool, "select count(*) from account where n = 10") == 0);
}

static void a_body_rolls_back_by_anything_else(holdfast_pool *pool)
{
    Plan plan = {.first = "insert into account values (11)", .answer = HOLDFAST_STATUS_ROLLED_BACK};
    holdfast_error *error;

    CHECK(holdfast_pool_transaction(pool, NULL, NULL, follow, &plan, &error) == HOLDFAST_STATUS_ROLLED_BACK);
    CHECK(holdfast_error_status(error) == HOLDFAST_STATUS_ROLLED_BACK);
    CHECK(has(holdfast_error_message(error), "rolled_back"));
    holdfast_error_free(error);
    plan.answer = 4711;
    plan.calls = 0;
    CHECK(holdfast_pool_transaction(pool, NULL, NULL, follow, &plan, NULL) == 4711);

    /* The error of a failed call is passed through as it is. */
    plan = (Plan){.first = "insert into account values (1)"};
    CHECK(holdfast_pool_transaction(pool, NULL, NULL, follow, &plan, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_sqlstate(error), "23505") && plan.calls == 1);
    CHECK(has(holdfast_error_field(error, HOLDFAST_FIELD_DETAIL), "already exists"));
    holdfast_error_free(error);
    plan.calls = 0;
    CHECK(holdfast_pool_transaction(pool, NULL, NULL, follow, &plan, NULL) == HOLDFAST_STATUS_DATABASE);
    CHECK(read_number(pool, "select count(*) from account") == 1);
}

static void conflicts_are_run_again_and_nothing_else(holdfast_pool *pool)
{
    holdfast_transaction_options options = {.struct_size = sizeof options, .reruns = 2};
    Plan plan = {.first = CONFLICT, .then = "insert into account values (12)"};
    holdfast_error *error;

    OK(holdfast_pool_transaction(pool, NULL, NULL, follow, &plan, &error));
    CHECK(plan.calls == 2 && read_number(pool, "select count(*) from account where n = 12") == 1);
    plan = (Plan){.first = DEADLOCK, .then = "delete from account where n = 12"};
    OK(holdfast_pool_transaction(pool, NULL, NULL, swallow, &plan, &error));
    CHECK(plan.calls == 2 && read_number(pool, "select count(*) from account where n = 12") == 0);

    plan = (Plan){.first = CONFLICT, .then = CONFLICT};
    CHECK(holdfast_pool_transaction(pool, NULL, &options, follow, &plan, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(plan.calls == 3 && is(holdfast_error_sqlstate(error), "40001") && holdfast_error_is_retryable(error));
    holdfast_error_free(error);
    options.reruns = HOLDFAST_NO_RETRY;
    plan.calls = 0;
    CHECK(holdfast_pool_transaction(pool, NULL, &options, follow, &plan, NULL) == HOLDFAST_STATUS_DATABASE);
    CHECK(plan.calls == 1);
    options.reruns = 0;
    plan.calls = 0;
    CHECK(holdfast_pool_transaction(pool, NULL, &options, follow, &plan, NULL) == HOLDFAST_STATUS_DATABASE);
    CHECK(plan.calls == 6);
}

static void a_swallowed_failure_is_not_reported_as_success(holdfast_pool *pool)
{
    Plan plan = {.first = "insert into account values (1)"};
    holdfast_error *error;
    FAILS(HOLDFAST_STATUS_ROLLED_BACK, holdfast_pool_transaction(pool, NULL, NULL, swallow, &plan, &error));
    CHECK(plan.calls == 1);
}

/* Tries everything that is not a body's business. */
static holdfast_status meddle(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Plan *plan = user_data;
    (void)error;
    plan->calls++;
    plan->inside[0] = holdfast_connection_begin(connection, NULL, NULL);
    plan->inside[1] = holdfast_connection_commit(connection, NULL);
    plan->inside[2] = holdfast_connection_rollback(connection, NULL);
    plan->inside[3] = holdfast_connection_savepoint(connection, "fine", 4, NULL);
    plan->inside[4] = holdfast_connection_script(connection, plan->first, HOLDFAST_NUL, NULL, NULL);
    return HOLDFAST_STATUS_OK;
}

static holdfast_status release(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    (void)error;
    script(connection, "insert into account values (14)");
    if (*(bool *)user_data)
        holdfast_connection_discard(connection);
    else
        holdfast_connection_release(connection);
    return HOLDFAST_STATUS_OK;
}

static void a_body_that_does_what_is_not_its_business_is_told(holdfast_pool *pool)
{
    Plan plan = {.first = "insert into account values (13)"};
    holdfast_error *error;
    bool discard;
    int i;

    OK(holdfast_pool_transaction(pool, NULL, NULL, meddle, &plan, &error));
    for (i = 0; i < 3; i++)
        CHECK(plan.inside[i] == HOLDFAST_STATUS_MISUSE);
    CHECK(plan.inside[3] == HOLDFAST_STATUS_OK && plan.inside[4] == HOLDFAST_STATUS_OK);
    CHECK(read_number(pool, "select count(*) from account where n = 13") == 1);

    plan = (Plan){.first = "commit"};
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_transaction(pool, NULL, NULL, meddle, &plan, &error));
    plan = (Plan){.first = "rollback"};
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_transaction(pool, NULL, NULL, meddle, &plan, &error));
    CHECK(plan.calls == 1);

    for (i = 0; i < 2; i++) {
        discard = i == 1;
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_transaction(pool, NULL, NULL, release, &discard, &error));
        CHECK(read_number(pool, "select count(*) from account where n = 14") == 0);
    }
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_transaction(pool, NULL, NULL, NULL, &plan, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_transaction(NULL, NULL, NULL, follow, &plan, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_begin(NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_commit(NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_rollback(NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_savepoint(NULL, "s", 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_rollback_to(NULL, "s", 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_release_savepoint(NULL, "s", 1, &error));
    CHECK(holdfast_connection_transaction_status(NULL) == HOLDFAST_TRANSACTION_UNKNOWN);
    plan = (Plan){.first = NULL};
    OK(holdfast_pool_transaction(pool, NULL, NULL, follow, &plan, &error));
    CHECK(plan.calls == 1);
}

/* Ends its own session in the first call. */
static holdfast_status lose(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Plan *plan = user_data;
    script(connection, "insert into account values (15)");
    if (plan->calls++ == 0) {
        char sql[64];
        snprintf(sql, sizeof sql, "select pg_terminate_backend(%u, 5000)",
                 (unsigned)holdfast_connection_backend_pid(connection));
        try_it(plan->pool, sql);
    }
    return holdfast_connection_script(connection, "select 1", HOLDFAST_NUL, NULL, error);
}

static void a_lost_session_is_replaced(holdfast_pool *pool)
{
    Plan plan = {.pool = pool};
    holdfast_error *error;
    OK(holdfast_pool_transaction(pool, NULL, NULL, lose, &plan, &error));
    CHECK(plan.calls == 2 && read_number(pool, "select count(*) from account where n = 15") == 1);
}

static void a_session_lost_before_commit_leaves_no_doubt(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_begin(connection, NULL, &error));
    FAILS(HOLDFAST_STATUS_CONNECTION_LOST,
          holdfast_connection_script(connection, "select pg_terminate_backend(pg_backend_pid())", HOLDFAST_NUL, NULL,
                                     &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_UNKNOWN);
    CHECK(holdfast_connection_commit(connection, &error) == HOLDFAST_STATUS_CONNECTION_LOST);
    CHECK(is(holdfast_error_phase(error), "commit"));
    holdfast_error_free(error);
    holdfast_connection_release(connection);
}

/* A body that returns while another thread still uses its connection. */
typedef struct {
    pthread_t thread;
    holdfast_connection *connection;
} Dangling;

static void *sleep_on(void *dangling)
{
    script(((Dangling *)dangling)->connection, "select pg_sleep(0.5)");
    return NULL;
}

static holdfast_status leave_it_to_another(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Dangling *dangling = user_data;
    struct timespec moment = {0, 1000000};
    (void)error;
    script(connection, "insert into account values (16)");
    dangling->connection = connection;
    CHECK(pthread_create(&dangling->thread, NULL, sleep_on, dangling) == 0);
    while (holdfast_connection_transaction_status(connection) != HOLDFAST_TRANSACTION_UNKNOWN)
        nanosleep(&moment, NULL);
    return HOLDFAST_STATUS_OK;
}

static void a_body_that_returns_while_its_connection_is_used_commits_nothing(holdfast_pool *pool)
{
    Dangling dangling;
    holdfast_error *error;
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_pool_transaction(pool, NULL, NULL, leave_it_to_another, &dangling, &error));
    CHECK(pthread_join(dangling.thread, NULL) == 0);
    CHECK(read_number(pool, "select count(*) from account where n = 16") == 0);
}

/* Ends the session that is at its COMMIT. */
static void *end_the_committer(void *pool)
{
    const char *sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                      "where query = 'COMMIT' and wait_event = 'PgSleep'";
    struct timespec moment = {0, 5000000};
    int i;
    for (i = 0; i < 1000 && read_number(pool, sql) == 0; i++)
        nanosleep(&moment, NULL);
    CHECK(i < 1000);
    return NULL;
}

static holdfast_status commit_slowly(holdfast_pool *pool, int32_t resolve, int *calls, holdfast_error **error)
{
    holdfast_transaction_options options = {.struct_size = sizeof options, .resolve_commit = resolve};
    Plan plan = {.first = "insert into slow values (1)", .then = "insert into slow values (1)"};
    pthread_t thread;
    holdfast_status status;

    try_it(pool, "alter sequence commits restart; truncate slow");
    CHECK(pthread_create(&thread, NULL, end_the_committer, pool) == 0);
    status = holdfast_pool_transaction(pool, NULL, &options, follow, &plan, error);
    CHECK(pthread_join(thread, NULL) == 0);
    *calls = plan.calls;
    return status;
}

static void a_commit_in_doubt_is_unknown_or_resolved(holdfast_pool *pool)
{
    holdfast_error *error;
    int calls;

    /* The first commit takes its time. */
    try_it(pool, "create table slow (n int)");
    try_it(pool, "create sequence commits");
    try_it(pool, "create or replace function dawdle() returns trigger language plpgsql as $$begin "
                 "if nextval('commits') = 1 then perform pg_sleep(20); end if; return null; end$$");
    try_it(pool, "create constraint trigger dawdle after insert on slow deferrable initially deferred "
                 "for each row execute function dawdle()");

    CHECK(commit_slowly(pool, 0, &calls, &error) == HOLDFAST_STATUS_COMMIT_UNKNOWN);
    CHECK(calls == 1 && is(holdfast_error_kind(error), "commit_unknown"));
    CHECK(is(holdfast_error_phase(error), "commit") && !holdfast_error_is_retryable(error));
    CHECK(has(holdfast_error_message(error), "look in the database"));
    holdfast_error_free(error);

    CHECK(commit_slowly(pool, 1, &calls, &error) == HOLDFAST_STATUS_OK && error == NULL);
    CHECK(calls == 2 && read_number(pool, "select count(*) from slow") == 1);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    try_it(pool, "drop table if exists account; create table account (n int primary key); insert into account values (1)");
    a_body_commits_by_success(pool);
    a_body_rolls_back_by_anything_else(pool);
    conflicts_are_run_again_and_nothing_else(pool);
    a_swallowed_failure_is_not_reported_as_success(pool);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.rolled_back == 0 && stats.in_use == 0);
    a_body_that_does_what_is_not_its_business_is_told(pool);
    a_lost_session_is_replaced(pool);
    a_session_lost_before_commit_leaves_no_doubt(pool);
    a_body_that_returns_while_its_connection_is_used_commits_nothing(pool);
    a_commit_in_doubt_is_unknown_or_resolved(pool);
    holdfast_pool_free(pool);
    return 0;
}
