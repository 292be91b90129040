/* The service; orders_test.c proves that it survives a full server. */
#include "orders.h"

#define SQL(text) text, sizeof text - 1

static holdfast_error *run(const holdfast_pool *pool, const char *sql, size_t length)
{
    holdfast_result *result;
    holdfast_error *error;
    if (holdfast_pool_query(pool, NULL, sql, length, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error))
        return error;
    holdfast_result_free(result);
    return NULL;
}

holdfast_error *orders_open(const char *url, holdfast_pool **pool)
{
    holdfast_error *error;
    return holdfast_pool_open_url(url, HOLDFAST_NUL, pool, &error) ? error : NULL;
}

holdfast_error *orders_take(const holdfast_pool *pool, int count)
{
    holdfast_error *error = run(pool, SQL("create table if not exists orders (id serial, item text)"));
    for (int order = 0; !error && order < count; order++)
        error = run(pool, SQL("insert into orders (item) values ('rope')"));
    return error;
}
