/* The helpers of tests that open pools of several configurations. */
#ifndef POOLS_H
#define POOLS_H

#include "check.h"

static inline holdfast_pool *opened(holdfast_config *config)
{
    holdfast_pool *pool;
    holdfast_error *error;
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static inline holdfast_status ask(const holdfast_pool *pool, const char *sql, holdfast_error **error)
{
    holdfast_result *result = NULL;
    holdfast_status status = holdfast_pool_query(pool, NULL, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                                                 &result, error);
    holdfast_result_free(result);
    return status;
}

static inline void is_as_before(const holdfast_pool *pool)
{
    holdfast_stats stats;
    holdfast_error *error;
    /* What is being cleaned up comes back in a moment. */
    for (int i = 0; i < 500; i++) {
        memset(&stats, 0, sizeof stats);
        stats.struct_size = sizeof stats;
        OK(holdfast_pool_stats(pool, &stats, &error));
        if (stats.in_use == 0)
            break;
        pause_ms(10);
    }
    CHECK(stats.in_use == 0);
    OK(ask(pool, "select 1", &error));
}

#endif
