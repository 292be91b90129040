/* What a pool does when its server is out of reach, or refuses it for good. Needs a server that knows no database "missing". */
#include "check.h"

#include <stdio.h>

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

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    the_circuit_opens_while_nobody_listens(argv[1]);
    what_is_refused_for_good_is_told_without_asking_again(argv[1]);
    return 0;
}
