/* Transactions by hand. The program is run more than once on one server. */
#include "../check.h"

static void one_by_hand_is_committed_or_rolled_back(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_IDLE);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_commit(connection, &error));
    OK(holdfast_connection_rollback(connection, &error));
    script(connection, "drop table if exists ledger; create table ledger (n int primary key)");

    OK(holdfast_connection_begin(connection, NULL, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_ACTIVE);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_begin(connection, NULL, &error));
    script(connection, "insert into ledger values (1)");
    OK(holdfast_connection_commit(connection, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_IDLE);
    CHECK(read_number(pool, "select count(*) from ledger") == 1);

    OK(holdfast_connection_begin(connection, NULL, &error));
    script(connection, "insert into ledger values (2)");
    OK(holdfast_connection_rollback(connection, &error));
    CHECK(read_number(pool, "select count(*) from ledger") == 1);
    holdfast_connection_release(connection);
}

static void a_failed_one_is_rolled_back_by_commit_which_says_so(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_begin(connection, NULL, &error));
    script(connection, "insert into ledger values (3)");
    FAILS(HOLDFAST_STATUS_DATABASE,
          holdfast_connection_script(connection, "insert into ledger values (3)", HOLDFAST_NUL, NULL, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_FAILED);
    CHECK(holdfast_connection_commit(connection, &error) == HOLDFAST_STATUS_ROLLED_BACK);
    CHECK(is(holdfast_error_kind(error), "rolled_back") && is(holdfast_error_phase(error), "commit"));
    CHECK(has(holdfast_error_message(error), "23505") && !holdfast_error_is_retryable(error));
    holdfast_error_free(error);
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_IDLE);
    CHECK(read_number(pool, "select count(*) from ledger") == 1);

    /* Refused at COMMIT itself. */
    script(connection, "create temp table late (n int unique deferrable initially deferred)");
    OK(holdfast_connection_begin(connection, NULL, &error));
    script(connection, "insert into late values (1), (1)");
    CHECK(holdfast_connection_commit(connection, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_sqlstate(error), "23505") && is(holdfast_error_phase(error), "commit"));
    holdfast_error_free(error);
    holdfast_connection_discard(connection);
}

static void savepoints_take_any_name(holdfast_pool *pool)
{
    static const char *const names[] = {"plain", "Mixed Case", "with \"quotes\"", "; drop table ledger"};
    holdfast_connection *connection;
    holdfast_error *error;
    size_t i;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_DATABASE, holdfast_connection_savepoint(connection, "early", HOLDFAST_NUL, &error));
    OK(holdfast_connection_begin(connection, NULL, &error));
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        OK(holdfast_connection_savepoint(connection, names[i], HOLDFAST_NUL, &error));
        FAILS(HOLDFAST_STATUS_DATABASE,
              holdfast_connection_script(connection, "insert into ledger values (1)", HOLDFAST_NUL, NULL, &error));
        CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_FAILED);
        OK(holdfast_connection_rollback_to(connection, names[i], strlen(names[i]), &error));
        CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_ACTIVE);
        OK(holdfast_connection_release_savepoint(connection, names[i], HOLDFAST_NUL, &error));
    }
    FAILS(HOLDFAST_STATUS_DATABASE, holdfast_connection_rollback_to(connection, "none", 4, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_connection_savepoint(connection, "a\0b", 3, &error));
    OK(holdfast_connection_rollback(connection, &error));
    holdfast_connection_release(connection);
    CHECK(read_number(pool, "select count(*) from ledger") == 1);
}

static void options_are_in_force_and_checked(holdfast_pool *pool)
{
    holdfast_transaction_options options = {.struct_size = sizeof options};
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_str shown;
    const char *modes = "select current_setting('transaction_isolation') || ' ' || "
                        "current_setting('transaction_read_only') || ' ' || "
                        "current_setting('transaction_deferrable')";

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    options.isolation = HOLDFAST_ISOLATION_SERIALIZABLE;
    options.access = HOLDFAST_ACCESS_READ_ONLY;
    options.deferrable = HOLDFAST_DEFERRABLE_YES;
    OK(holdfast_connection_begin(connection, &options, &error));
    OK(holdfast_connection_query(connection, modes, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_text(result, 0, 0, &shown, &error));
    CHECK(is(shown, "serializable on on"));
    holdfast_result_free(result);
    CHECK(holdfast_connection_script(connection, "create table never (n int)", HOLDFAST_NUL, NULL, &error) ==
          HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_sqlstate(error), "25006"));
    holdfast_error_free(error);
    OK(holdfast_connection_rollback(connection, &error));

    options = (holdfast_transaction_options){.struct_size = sizeof options, .timeout_ms = 200};
    OK(holdfast_connection_begin(connection, &options, &error));
    FAILS(HOLDFAST_STATUS_QUERY_TIMEOUT,
          holdfast_connection_script(connection, "select pg_sleep(30)", HOLDFAST_NUL, NULL, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_UNKNOWN);
    holdfast_connection_release(connection);

    /* The deadline of a transaction ends with it. */
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_begin(connection, &options, &error));
    OK(holdfast_connection_commit(connection, &error));
    script(connection, "select pg_sleep(0.4)");

    options = (holdfast_transaction_options){.struct_size = sizeof options, .isolation = 4};
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_begin(connection, &options, &error));
    options = (holdfast_transaction_options){.struct_size = sizeof options, .access = -1};
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_begin(connection, &options, &error));
    options = (holdfast_transaction_options){.struct_size = sizeof options, .deferrable = 3};
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_begin(connection, &options, &error));
    options = (holdfast_transaction_options){.struct_size = sizeof options, .reruns = -2};
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_begin(connection, &options, &error));
    options = (holdfast_transaction_options){.struct_size = sizeof options, .resolve_commit = 2};
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_begin(connection, &options, &error));
    options.struct_size = 0;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_begin(connection, &options, &error));
    CHECK(holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_IDLE);
    holdfast_connection_release(connection);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_error *error;

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    one_by_hand_is_committed_or_rolled_back(pool);
    a_failed_one_is_rolled_back_by_commit_which_says_so(pool);
    savepoints_take_any_name(pool);
    options_are_in_force_and_checked(pool);
    holdfast_pool_free(pool);
    return 0;
}
