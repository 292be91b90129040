/* Many rows in and out without holding them in memory: COPY in, a stream of portions, COPY out. */
#include <holdfast.h>
#include <inttypes.h>
#include <stdio.h>

/* Sends a hundred thousand rows. */
static holdfast_status fill(holdfast_connection *connection, uint64_t *rows, holdfast_error **error)
{
    holdfast_copy_in *copy;
    holdfast_status status =
        holdfast_connection_copy_in(connection, "copy reading from stdin", HOLDFAST_NUL, &copy, error);
    for (int i = 1; !status && i <= 100000; i++) {
        char line[32];
        int len = snprintf(line, sizeof line, "%d\t%d\n", i, i % 40);
        status = holdfast_copy_in_write(copy, (const uint8_t *)line, (size_t)len, error);
    }
    if (!status)
        status = holdfast_copy_in_finish(copy, rows, error);
    holdfast_copy_in_free(copy); /* what was not finished is given up as a whole */
    return status;
}

/* Reads them back, five thousand at a time: the server waits while we are busy. */
static holdfast_status add_up(holdfast_connection *connection, int64_t *sum, holdfast_error **error)
{
    holdfast_stream *stream;
    holdfast_result *portion;
    holdfast_status status =
        holdfast_connection_stream(connection, "select celsius from reading", HOLDFAST_NUL, NULL, 0,
                                   HOLDFAST_FORMAT_AUTOMATIC, &stream, error);
    while (!status && !(status = holdfast_stream_next(stream, 5000, &portion, error)) && portion != NULL) {
        for (size_t row = 0; row < holdfast_result_rows(portion); row++) {
            int64_t celsius = 0;
            holdfast_result_i64(portion, row, 0, &celsius, NULL);
            *sum += celsius;
        }
        holdfast_result_free(portion);
    }
    holdfast_stream_free(stream);
    return status;
}

/* Writes a summary as CSV, as the server makes it. */
static holdfast_status print(holdfast_connection *connection, FILE *to, holdfast_error **error)
{
    const char *sql = "copy (select celsius / 10 * 10, count(*) from reading group by 1 order by 1) to stdout (format csv)";
    holdfast_copy_out *copy;
    holdfast_cell piece;
    holdfast_status status = holdfast_connection_copy_out(connection, sql, HOLDFAST_NUL, &copy, error);
    while (!status && !(status = holdfast_copy_out_read(copy, &piece, error)) && piece.ptr != NULL)
        fwrite(piece.ptr, 1, piece.len, to);
    holdfast_copy_out_free(copy);
    return status;
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "postgresql://localhost/postgres";
    holdfast_pool *pool = NULL;
    holdfast_connection *connection = NULL;
    holdfast_error *error = NULL;
    uint64_t rows = 0;
    int64_t sum = 0;

    int failed = holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error)
        || holdfast_pool_acquire(pool, NULL, &connection, &error)
        || holdfast_connection_script(connection, "create temp table reading (id int, celsius int)", HOLDFAST_NUL, NULL,
                                      &error)
        || fill(connection, &rows, &error) || add_up(connection, &sum, &error);
    if (!failed) {
        printf("%" PRIu64 " rows, %" PRId64 " degrees in all\n", rows, sum);
        failed = print(connection, stdout, &error) != HOLDFAST_STATUS_OK;
    }
    if (failed)
        fprintf(stderr, "%s\n", holdfast_error_message(error).ptr);
    holdfast_error_free(error);
    holdfast_connection_discard(connection); /* with its temporary table */
    holdfast_pool_free(pool);
    return failed;
}
