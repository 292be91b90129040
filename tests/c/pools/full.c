/* The server has no connection slot left: its answer arrives as it was given, attempt by attempt. */
#include "../check.h"

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_acquire_options options = {.struct_size = sizeof options, .retries = 1, .timeout_ms = 20000};
    holdfast_attempt attempt = {.struct_size = sizeof attempt};
    holdfast_snapshot snapshot = {.struct_size = sizeof snapshot};
    holdfast_stats stats = {.struct_size = sizeof stats};

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    CHECK(holdfast_pool_query(pool, &options, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result,
                              &error) == HOLDFAST_STATUS_SERVER_FULL);
    CHECK(result == NULL && is(holdfast_error_sqlstate(error), "53300"));
    CHECK(holdfast_error_is_retryable(error) && holdfast_error_attempt_count(error) == 2);
    CHECK(holdfast_error_attempt(error, 0, &attempt) && is(attempt.sqlstate, "53300"));
    CHECK(attempt.status == HOLDFAST_STATUS_SERVER_FULL && attempt.backoff_us > 0);
    CHECK(is(holdfast_error_field(error, HOLDFAST_FIELD_SEVERITY), "FATAL"));
    CHECK(holdfast_error_snapshot(error, &snapshot));
    CHECK(snapshot.limit == 1 && snapshot.limited_by != HOLDFAST_LIMITED_BY_NOTHING);
    holdfast_error_free(error);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.limit == 1 && stats.limited_by == snapshot.limited_by && stats.circuit == HOLDFAST_CIRCUIT_CLOSED);
    CHECK(stats.limited_by != HOLDFAST_LIMITED_BY_FLEET && stats.closed_shared == 0); /* it has seen nothing */
    CHECK(stats.fleet_share == 0 && stats.fleet_peers == 0);
    holdfast_pool_free(pool);
    return 0;
}
