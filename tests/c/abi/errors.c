/* A failure says everything it knows. */
#include "../check.h"

#include <errno.h>

static void every_status_has_a_name(void)
{
    CHECK(is(holdfast_status_name(HOLDFAST_STATUS_OK), "ok"));
    CHECK(is(holdfast_status_name(HOLDFAST_STATUS_SERVER_FULL), "server_full"));
    CHECK(is(holdfast_status_name(HOLDFAST_STATUS_PANIC), "panic"));
    CHECK(is(holdfast_status_name(HOLDFAST_STATUS_ROLLED_BACK), "rolled_back"));
    CHECK(is(holdfast_status_name(HOLDFAST_STATUS_REENTRANT), "reentrant"));
    CHECK(is(holdfast_status_name(12345), "unknown"));
    for (holdfast_status status = HOLDFAST_STATUS_OK; status <= HOLDFAST_STATUS_MISUSE; status++)
        CHECK(!is(holdfast_status_name(status), "unknown"));
    for (holdfast_status status = HOLDFAST_STATUS_NULL; status <= HOLDFAST_STATUS_PANIC; status++)
        CHECK(!is(holdfast_status_name(status), "unknown"));
}

static void no_error_answers_like_success(void)
{
    holdfast_attempt attempt = {.struct_size = sizeof attempt};
    holdfast_snapshot snapshot = {.struct_size = sizeof snapshot};
    CHECK(holdfast_error_status(NULL) == HOLDFAST_STATUS_OK);
    CHECK(is(holdfast_error_kind(NULL), "ok") && is(holdfast_error_message(NULL), ""));
    CHECK(is(holdfast_error_phase(NULL), "") && is(holdfast_error_target(NULL), ""));
    CHECK(is(holdfast_error_sqlstate(NULL), ""));
    CHECK(is(holdfast_error_field(NULL, HOLDFAST_FIELD_HINT), ""));
    CHECK(!holdfast_error_is_retryable(NULL) && holdfast_error_elapsed_us(NULL) == 0);
    CHECK(is(holdfast_error_remedy(NULL), "") && !holdfast_error_parameter_count(NULL, NULL, NULL));
    CHECK(holdfast_error_attempt_count(NULL) == 0 && !holdfast_error_attempt(NULL, 0, &attempt));
    CHECK(!holdfast_error_snapshot(NULL, &snapshot));
    holdfast_error_free(NULL);
}

/* Nobody listens on port 1. */
static void a_refusal_tells_of_every_attempt(void)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;
    holdfast_acquire_options options = {.struct_size = sizeof options};
    holdfast_attempt attempt = {.struct_size = sizeof attempt};
    holdfast_snapshot snapshot = {.struct_size = sizeof snapshot};
    holdfast_stats stats = {.struct_size = sizeof stats};
    const char *url = "host=127.0.0.1 port=1 user=nobody retry_base_delay=10ms retry_jitter=0 max_size=3";

    OK(holdfast_pool_open_url(url, strlen(url), &pool, &error));
    options.retries = 1;
    CHECK(holdfast_pool_acquire(pool, &options, &connection, &error) == HOLDFAST_STATUS_REFUSED);
    CHECK(connection == NULL && holdfast_error_status(error) == HOLDFAST_STATUS_REFUSED);
    CHECK(is(holdfast_error_kind(error), "refused") && is(holdfast_error_phase(error), "connect"));
    CHECK(is(holdfast_error_target(error), "127.0.0.1:1") && has(holdfast_error_message(error), "127.0.0.1:1"));
    CHECK(holdfast_error_is_retryable(error) && is(holdfast_error_sqlstate(error), ""));
    CHECK(holdfast_error_elapsed_us(error) >= 10000);
    CHECK(has(holdfast_error_remedy(error), "check that the server runs"));
    CHECK(holdfast_error_os_error(error) == ECONNREFUSED && holdfast_error_os_error(NULL) == 0);
    CHECK(has(holdfast_error_message(error), holdfast_error_remedy(error).ptr));
    CHECK(holdfast_error_attempt_count(error) == 2);
    CHECK(holdfast_error_attempt(error, 0, &attempt) && attempt.status == HOLDFAST_STATUS_REFUSED);
    CHECK(attempt.backoff_us == 10000 && attempt.took_us > 0 && attempt.age_us >= attempt.backoff_us);
    CHECK(is(attempt.phase, "connect") && is(attempt.sqlstate, "") && attempt.cause.len > 0);
    CHECK(is(attempt.target, "127.0.0.1:1"));
    CHECK(holdfast_error_attempt(error, 1, &attempt) && attempt.backoff_us == 0);
    CHECK(!holdfast_error_attempt(error, 2, &attempt));
    CHECK(holdfast_error_snapshot(error, &snapshot));
    CHECK(snapshot.max_size == 3 && snapshot.limit == 3 && snapshot.idle == 0 && snapshot.in_use == 0);
    CHECK(snapshot.waiting == 0 && snapshot.fleet_share == 0 && snapshot.fleet_peers == 0);
    holdfast_error_free(error);

    options.retries = HOLDFAST_NO_RETRY;
    CHECK(holdfast_pool_acquire(pool, &options, &connection, &error) == HOLDFAST_STATUS_REFUSED);
    CHECK(holdfast_error_attempt_count(error) == 1);
    holdfast_error_free(error);
    /* A caller that passes no place for an error object gets none. */
    CHECK(holdfast_pool_acquire(pool, &options, &connection, NULL) == HOLDFAST_STATUS_REFUSED);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.errors[HOLDFAST_STATUS_REFUSED] > 0 && stats.errors[HOLDFAST_STATUS_AUTH] == 0);
    CHECK(stats.retries == 1);
    holdfast_pool_free(pool);
}

static void a_busy_pool_times_out_within_the_limit_of_the_call(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_connection *only, *none;
    holdfast_error *error;
    holdfast_acquire_options options = {.struct_size = sizeof options, .timeout_ms = 50};
    holdfast_snapshot snapshot = {.struct_size = sizeof snapshot};

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "1", 1, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    OK(holdfast_pool_acquire(pool, NULL, &only, &error));
    CHECK(holdfast_pool_acquire(pool, &options, &none, &error) == HOLDFAST_STATUS_POOL_TIMEOUT);
    CHECK(none == NULL && is(holdfast_error_phase(error), "queue") && holdfast_error_is_retryable(error));
    CHECK(holdfast_error_elapsed_us(error) >= 50000 && holdfast_error_elapsed_us(error) < 5000000);
    CHECK(holdfast_error_snapshot(error, &snapshot) && snapshot.in_use == 1 && snapshot.total == 1);
    holdfast_error_free(error);
    holdfast_connection_release(only);
    holdfast_pool_free(pool);
}

static void the_server_is_quoted_field_by_field(const char *url)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;
    const char *table = "create temp table parts (n int constraint positive check (n > 0))";
    const char *raise =
        "do $$begin raise exception using errcode = 'HF001', message = 'said', detail = 'more', hint = 'do this', "
        "schema = 's', table = 't', column = 'c', datatype = 'd', constraint = 'k'; end$$";

    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(holdfast_connection_script(connection, raise, HOLDFAST_NUL, NULL, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_sqlstate(error), "HF001") && is(holdfast_error_phase(error), "query"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_SEVERITY), "ERROR"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_SQLSTATE), "HF001"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_MESSAGE), "said"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_DETAIL), "more"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_HINT), "do this"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_SCHEMA), "s"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_TABLE), "t"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_COLUMN), "c"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_DATA_TYPE), "d"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_CONSTRAINT), "k"));
    CHECK(has(holdfast_error_field(error, HOLDFAST_FIELD_CONTEXT), "PL/pgSQL"));
    CHECK(holdfast_error_field(error, HOLDFAST_FIELD_FILE).len > 0);
    CHECK(holdfast_error_field(error, HOLDFAST_FIELD_LINE).len > 0);
    CHECK(holdfast_error_field(error, HOLDFAST_FIELD_ROUTINE).len > 0);
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_POSITION), ""));
    CHECK(is(holdfast_error_field(error, 0), ""));
    CHECK(holdfast_error_target(error).len > 0 && !holdfast_error_is_retryable(error));
    holdfast_error_free(error);

    CHECK(holdfast_connection_query(connection, "select wrong", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                                    &result, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_POSITION), "8"));
    holdfast_error_free(error);

    CHECK(holdfast_connection_script(connection, "do $$begin execute 'select wrong'; end$$", HOLDFAST_NUL, NULL,
                                     &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_INTERNAL_POSITION), "8"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_INTERNAL_QUERY), "select wrong"));
    holdfast_error_free(error);

    OK(holdfast_connection_script(connection, table, HOLDFAST_NUL, NULL, &error));
    CHECK(holdfast_connection_script(connection, "insert into parts values (-1)", HOLDFAST_NUL, NULL, &error) ==
          HOLDFAST_STATUS_DATABASE);
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_CONSTRAINT), "positive"));
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_TABLE), "parts"));
    holdfast_error_free(error);
    holdfast_connection_discard(connection);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    every_status_has_a_name();
    no_error_answers_like_success();
    a_refusal_tells_of_every_attempt();
    a_busy_pool_times_out_within_the_limit_of_the_call(argv[1]);
    the_server_is_quoted_field_by_field(argv[1]);
    return 0;
}
