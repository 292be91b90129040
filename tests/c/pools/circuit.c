/* The behaviour of a pool when its server is out of reach, refuses it permanently, or is shared with others. Needs a
 * server that knows no database "missing". */
#include "../check.h"

#include <string.h>

static holdfast_pool *open_pool(const char *url, const char *host, const char *port, const char *database)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    if (host != NULL) {
        OK(holdfast_config_set(config, "host", HOLDFAST_NUL, host, HOLDFAST_NUL, &error));
        OK(holdfast_config_set(config, "port", HOLDFAST_NUL, port, HOLDFAST_NUL, &error));
    }
    OK(holdfast_config_set(config, "dbname", HOLDFAST_NUL, database, HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "retry_max", HOLDFAST_NUL, "0", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "breaker_after", HOLDFAST_NUL, "50ms", HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static holdfast_stats stats_of(const holdfast_pool *pool)
{
    holdfast_stats stats = {.struct_size = sizeof stats};
    holdfast_error *error;
    OK(holdfast_pool_stats(pool, &stats, &error));
    return stats;
}

static void the_circuit_opens_while_nobody_listens(const char *url)
{
    holdfast_pool *pool = open_pool(url, "127.0.0.1", "1", "postgres");
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(stats_of(pool).circuit == HOLDFAST_CIRCUIT_CLOSED && stats_of(pool).circuit_ms == 0);
    FAILS(HOLDFAST_STATUS_REFUSED, holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(stats_of(pool).circuit == HOLDFAST_CIRCUIT_PROBING || stats_of(pool).circuit == HOLDFAST_CIRCUIT_OPEN);
    pause_ms(400);
    CHECK(stats_of(pool).circuit == HOLDFAST_CIRCUIT_OPEN && stats_of(pool).circuit_ms >= 400);
    CHECK(stats_of(pool).probes > 0);
    CHECK(holdfast_pool_acquire(pool, NULL, &connection, &error) == HOLDFAST_STATUS_CIRCUIT_OPEN);
    CHECK(holdfast_error_is_retryable(error) && holdfast_error_attempt_count(error) == 0);
    holdfast_error_free(error);
    CHECK(stats_of(pool).errors[HOLDFAST_STATUS_CIRCUIT_OPEN] == 1);
    holdfast_pool_free(pool);
}

static void what_is_refused_for_good_is_told_without_asking_again(const char *url)
{
    holdfast_pool *pool = open_pool(url, NULL, NULL, "missing");
    holdfast_connection *connection;
    holdfast_error *error;

    for (int i = 0; i < 3; i++) {
        CHECK(holdfast_pool_acquire(pool, NULL, &connection, &error) == HOLDFAST_STATUS_DATABASE);
        CHECK(!holdfast_error_is_retryable(error));
        holdfast_error_free(error);
    }
    CHECK(stats_of(pool).circuit == HOLDFAST_CIRCUIT_REFUSED && stats_of(pool).opening == 0);
    holdfast_pool_free(pool);
}

static void a_pool_that_shares_finds_itself_and_has_a_share(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_str name;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "fleet_share", HOLDFAST_NUL, "true", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "application_name", HOLDFAST_NUL, "orders", HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    CHECK(stats_of(pool).fleet_share == 0 && stats_of(pool).fleet_peers == 0);
    for (int i = 0; i < 500 && stats_of(pool).fleet_peers == 0; i++) {
        OK(holdfast_pool_query(pool, NULL, "show application_name", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                               &result, &error));
        OK(holdfast_result_text(result, 0, 0, &name, &error));
        CHECK(strncmp(name.ptr, "orders hf:", 10) == 0);
        holdfast_result_free(result);
        pause_ms(10);
    }
    CHECK(stats_of(pool).fleet_peers >= 1 && stats_of(pool).fleet_share >= 1);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    the_circuit_opens_while_nobody_listens(argv[1]);
    what_is_refused_for_good_is_told_without_asking_again(argv[1]);
    a_pool_that_shares_finds_itself_and_has_a_share(argv[1]);
    return 0;
}
