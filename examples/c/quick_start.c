/* A first program: cc quick_start.c $(pkg-config --cflags --libs holdfast) && ./a.out postgresql://app@db/orders */
#include <holdfast.h>
#include <inttypes.h>
#include <stdio.h>

static int failed(holdfast_error *error)
{
    /* One line that says what failed, where, how often it was tried, how the pool stood, and what to do. */
    fprintf(stderr, "%s\n", holdfast_error_message(error).ptr);
    holdfast_error_free(error);
    return 1;
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "postgresql://localhost/postgres";
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;

    if (holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error)) /* opens no connection yet */
        return failed(error);

    /* Check out, query, give back: one call. */
    holdfast_param limit = {"3", HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT};
    if (holdfast_pool_query(pool, NULL, "select n, n * n from generate_series(1, $1::int) n", HOLDFAST_NUL, &limit, 1,
                            HOLDFAST_FORMAT_AUTOMATIC, &result, &error))
        return failed(error);
    for (size_t row = 0; row < holdfast_result_rows(result); row++) {
        int64_t n = 0, square = 0;
        holdfast_result_i64(result, row, 0, &n, NULL);
        holdfast_result_i64(result, row, 1, &square, NULL);
        printf("%" PRId64 " squared is %" PRId64 "\n", n, square);
    }
    holdfast_result_free(result);

    /* Or keep a connection for a while. Statements get two seconds each. */
    if (holdfast_pool_acquire(pool, NULL, &connection, &error)
        || holdfast_connection_set_deadline(connection, 2000, &error)
        || holdfast_connection_script(connection,
                                      "begin; create temp table seen (who text) on commit drop; "
                                      "insert into seen values ('ada'); commit",
                                      HOLDFAST_NUL, NULL, &error))
        return failed(error);
    printf("session %" PRIu32 " has seen ada\n", holdfast_connection_backend_pid(connection));
    holdfast_connection_release(connection);

    if (holdfast_pool_close(pool, HOLDFAST_CONFIGURED, NULL, &error))
        return failed(error);
    holdfast_pool_free(pool);
    return 0;
}
