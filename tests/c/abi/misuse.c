/* Whatever can be noticed is an error, not a crash. */
#include "../check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void null_is_an_error_and_may_be_freed(void)
{
    holdfast_error *error = NULL;
    holdfast_config *config = NULL;
    holdfast_pool *pool = NULL;
    holdfast_connection *connection = NULL;
    holdfast_cancel *cancel = NULL;
    holdfast_result *result = NULL;
    holdfast_results *results = NULL;
    holdfast_notification *notification = NULL;
    holdfast_notices *notices = NULL;
    holdfast_text *text = NULL;
    holdfast_str view = {"kept", 4};
    int64_t integer = 7;
    double number = 7;
    bool truth = true;
    holdfast_column column = {.struct_size = sizeof column};

    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_from_url("host=x", HOLDFAST_NUL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_from_url(NULL, HOLDFAST_NUL, &config, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_from_env(NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_set(NULL, "user", 4, "me", 2, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_set_url(NULL, "user=me", 7, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_get(NULL, "user", 4, &text, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_validate(NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_option_get(0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_open(NULL, &pool, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_open_url(NULL, 3, &pool, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_acquire(NULL, NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_try_acquire(NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_close(NULL, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_release_idle(NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_wait_until_warm(NULL, 1, 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_ping(NULL, 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_set_max_size(NULL, 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_stats(NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_query(NULL, NULL, "", 0, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_query(NULL, "", 0, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_script(NULL, "", 0, &results, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_set_deadline(NULL, 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_notification(NULL, 0, &notification, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_notices(NULL, &notices, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_cancel_new(NULL, &cancel, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_cancel_fire(NULL, 0, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_result_text(NULL, 0, 0, &view, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_result_i64(NULL, 0, 0, &integer, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_result_f64(NULL, 0, 0, &number, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_result_bool(NULL, 0, 0, &truth, &error));
    CHECK(integer == 7 && truth && view.len == 4);

    CHECK(holdfast_config_clone(NULL) == NULL && holdfast_pool_clone(NULL) == NULL);
    CHECK(holdfast_cancel_clone(NULL) == NULL && holdfast_result_clone(NULL) == NULL);
    CHECK(holdfast_pool_is_closed(NULL) && is(holdfast_pool_target(NULL), ""));
    CHECK(holdfast_connection_backend_pid(NULL) == 0 && is(holdfast_connection_target(NULL), ""));
    CHECK(holdfast_result_rows(NULL) == 0 && holdfast_result_columns(NULL) == 0);
    CHECK(!holdfast_result_column(NULL, 0, &column) && is(holdfast_result_command_tag(NULL), ""));
    CHECK(holdfast_result_rows_affected(NULL) == 0 && holdfast_result_is_null(NULL, 0, 0));
    CHECK(holdfast_result_cell(NULL, 0, 0).ptr == NULL);
    CHECK(holdfast_results_count(NULL) == 0 && holdfast_results_get(NULL, 0) == NULL);
    CHECK(is(holdfast_notification_channel(NULL), "") && is(holdfast_notification_payload(NULL), ""));
    CHECK(holdfast_notification_backend_pid(NULL) == 0);
    CHECK(holdfast_notices_count(NULL) == 0 && is(holdfast_notices_field(NULL, 0, HOLDFAST_FIELD_MESSAGE), ""));
    CHECK(is(holdfast_text_view(NULL), ""));

    holdfast_config_free(NULL);
    holdfast_pool_free(NULL);
    holdfast_connection_release(NULL);
    holdfast_connection_discard(NULL);
    holdfast_cancel_free(NULL);
    holdfast_result_free(NULL);
    holdfast_results_free(NULL);
    holdfast_notification_free(NULL);
    holdfast_notices_free(NULL);
    holdfast_text_free(NULL);
    holdfast_error_free(NULL);
}

static void texts_that_are_none_are_refused(void)
{
    holdfast_config *config = holdfast_config_new();
    holdfast_error *error;
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_config_set(config, "user", HOLDFAST_NUL, "\xff", 1, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_config_set_url(config, "user=\xc3", HOLDFAST_NUL, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_config_set(config, "user", HOLDFAST_NUL, "a\0b", 3, &error));
    FAILS(HOLDFAST_STATUS_CONFIG, holdfast_config_set(config, NULL, 0, "a", 1, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_config_set(config, "user", HOLDFAST_NUL, "a", SIZE_MAX - 1, &error));
    OK(holdfast_config_set(config, "application_name", HOLDFAST_NUL, NULL, 0, &error));
    holdfast_config_free(config);
}

static void a_handle_of_another_kind_is_noticed(holdfast_pool *pool)
{
    holdfast_config *config = holdfast_config_new();
    holdfast_connection *connection;
    holdfast_error *error;
    uint64_t words[4] = {0, 0, 0, 0};
    void *as_if = config, *zeros = words;
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_acquire(as_if, NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_acquire(zeros, NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_config_validate((const void *)pool, &error));
    CHECK(holdfast_result_rows(as_if) == 0 && holdfast_error_status(as_if) == HOLDFAST_STATUS_OK);
    holdfast_pool_free(as_if); /* left alone */
    OK(holdfast_config_validate(config, &error));
    holdfast_config_free(config);
}

/* A program compiled against an older header, against a newer one, and one that forgot the size. */
static void structs_are_read_and_filled_as_far_as_they_go(holdfast_pool *pool)
{
    holdfast_error *error;
    holdfast_connection *connection;
    struct {
        holdfast_stats stats;
        uint32_t later[2];
    } newer;
    struct {
        uint32_t struct_size, max_size, canary;
    } older = {8, 0, 77};
    struct {
        holdfast_acquire_options options;
        uint64_t later;
    } asked;

    memset(&newer, 0x55, sizeof newer);
    newer.stats.struct_size = sizeof newer;
    OK(holdfast_pool_stats(pool, &newer.stats, &error));
    CHECK(newer.later[0] == 0 && newer.later[1] == 0 && newer.stats.struct_size == sizeof newer);
    OK(holdfast_pool_stats(pool, (void *)&older, &error));
    CHECK(older.max_size == newer.stats.max_size && older.canary == 77 && older.struct_size == 8);
    older.struct_size = 0;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_stats(pool, (void *)&older, &error));
    older.struct_size = 0xdeadbeef;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_close(pool, 0, (void *)&older, &error));
    CHECK(!holdfast_pool_is_closed(pool));

    memset(&asked, 0, sizeof asked);
    asked.options.struct_size = sizeof asked;
    OK(holdfast_pool_acquire(pool, &asked.options, &connection, &error));
    holdfast_connection_release(connection);
    asked.later = 1;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_acquire(pool, &asked.options, &connection, &error));
    asked.options.struct_size = sizeof asked.options;
    asked.options.retries = -2;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_acquire(pool, &asked.options, &connection, &error));
}

static void arguments_out_of_range_are_refused(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_param param = {"1", 1, 0, 9};

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_query(connection, "select 1", 8, NULL, 0, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_query(connection, "select $1", 9, NULL, 1, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_query(connection, "select 1", 8, NULL, 0, 3, &result, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_connection_query(connection, "select $1", 9, &param, 1, 0, &result, &error));
    param.format = HOLDFAST_FORMAT_TEXT;
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_connection_query(connection, "select $1", 9, &param, 70000, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_MISUSE,
          holdfast_connection_query(connection, "select $1, $2", HOLDFAST_NUL, &param, 1, 0, &result, &error));
    CHECK(result == NULL);
    OK(holdfast_connection_query(connection, "select $1", 9, &param, 1, 0, &result, &error));
    holdfast_result_free(result);
    holdfast_connection_release(connection);
}

static void *sleep_on(void *connection)
{
    holdfast_error *error;
    OK(holdfast_connection_script(connection, "select pg_sleep(0.5)", HOLDFAST_NUL, NULL, &error));
    return NULL;
}

static void two_threads_on_one_connection_get_an_error(holdfast_pool *pool)
{
    holdfast_connection *connection, *watcher;
    holdfast_result *result;
    holdfast_error *error;
    pthread_t thread;
    bool asleep = false;
    char number[16];
    holdfast_param pid = {number, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT};

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_pool_acquire(pool, NULL, &watcher, &error));
    snprintf(number, sizeof number, "%u", (unsigned)holdfast_connection_backend_pid(connection));
    CHECK(pthread_create(&thread, NULL, sleep_on, connection) == 0);
    while (!asleep) {
        OK(holdfast_connection_query(watcher, "select wait_event = 'PgSleep' from pg_stat_activity where pid = $1",
                                     HOLDFAST_NUL, &pid, 1, HOLDFAST_FORMAT_BINARY, &result, &error));
        if (!holdfast_result_is_null(result, 0, 0))
            OK(holdfast_result_bool(result, 0, 0, &asleep, &error));
        holdfast_result_free(result);
    }
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_connection_set_deadline(connection, 5, &error));
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_connection_query(connection, "select 1", 8, NULL, 0, 0, &result, &error));
    CHECK(holdfast_connection_backend_pid(connection) != 0); /* may be asked at any time */
    CHECK(pthread_join(thread, NULL) == 0);
    OK(holdfast_connection_set_deadline(connection, 5000, &error));
    holdfast_connection_release(connection);
    holdfast_connection_release(watcher);
}

static void a_forked_child_gets_an_error_and_its_parent_notices_nothing(holdfast_pool *pool)
{
    holdfast_connection *connection, *none;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_cancel *cancel;
    int status;

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_script(connection, "create temp table mine (n int)", HOLDFAST_NUL, NULL, &error));
    OK(holdfast_cancel_new(connection, &cancel, &error));
    pid_t child = can_fork() ? fork() : -1;
    CHECK(child >= 0 || !can_fork());
    if (child == 0) {
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_acquire(pool, NULL, &none, &error));
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_query(connection, "select 1", 8, NULL, 0, 0, &result, &error));
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_cancel_fire(cancel, 100, &error));
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_release_idle(pool, NULL, &error));
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_close(pool, 0, NULL, &error));
        holdfast_cancel_free(cancel);
        holdfast_connection_release(connection);
        holdfast_pool_free(pool);
        _exit(0);
    }
    CHECK(child < 0 || (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0));
    OK(holdfast_connection_script(connection, "insert into mine values (1)", HOLDFAST_NUL, NULL, &error));
    holdfast_cancel_free(cancel);
    holdfast_connection_discard(connection);
}

/* Not even a server of its own is shared. */
static void a_forked_child_cannot_use_an_echo_pool(void)
{
    holdfast_pool *pool;
    holdfast_connection *connection, *none;
    holdfast_error *error;
    int status;
    OK(holdfast_pool_open_echo(NULL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    const pid_t child = can_fork() ? fork() : -1;
    CHECK(child >= 0 || !can_fork());
    if (child == 0) {
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_acquire(pool, NULL, &none, &error));
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_script(connection, "no", 2, NULL, &error));
        holdfast_connection_release(connection);
        holdfast_pool_free(pool);
        _exit(0);
    }
    CHECK(child < 0 || (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0));
    OK(holdfast_connection_script(connection, "yes", 3, NULL, &error));
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_error *error;

    CHECK(argc > 1);
    null_is_an_error_and_may_be_freed();
    texts_that_are_none_are_refused();
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    a_handle_of_another_kind_is_noticed(pool);
    structs_are_read_and_filled_as_far_as_they_go(pool);
    arguments_out_of_range_are_refused(pool);
    two_threads_on_one_connection_get_an_error(pool);
    a_forked_child_gets_an_error_and_its_parent_notices_nothing(pool);
    a_forked_child_cannot_use_an_echo_pool();
    holdfast_pool_free(pool);
    return 0;
}
