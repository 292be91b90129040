/* COPY both ways through a queue, a piece of data for each request. */
#include "../queues.h"

static holdfast_copy_in *begin_in(holdfast_connection *connection, holdfast_queue *queue, const char *sql)
{
    holdfast_error *error;

    OK(holdfast_submit_connection_copy_in(connection, queue, 1, NULL, sql, HOLDFAST_NUL, NULL, &error));
    return next_of(queue, HOLDFAST_SUBMIT_CONNECTION_COPY_IN, 1).copy_in;
}

static uint64_t write_in(holdfast_copy_in *copy, holdfast_queue *queue, const char *data)
{
    holdfast_error *error;
    uint64_t number = 0;

    OK(holdfast_submit_copy_in_write(copy, queue, 2, NULL, data, strlen(data), &number, &error));
    return number;
}

static void rows_go_in_and_out(holdfast_connection *connection, holdfast_queue *queue)
{
    enum { PIECES = 500 };
    holdfast_submit_options options = {.struct_size = sizeof options, .deadline_ms = 20000};
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_completion done;
    holdfast_error *error;
    char data[64];
    size_t chunks = 0, lines = 0;
    uint64_t sum = 0;

    script(connection, "create temp table held (n int, said text)");
    in = begin_in(connection, queue, "copy held from stdin");
    for (int i = 0; i < PIECES; i++) {
        /* Cut in the midst of a row. */
        snprintf(data, sizeof data, "%d\thel", i);
        write_in(in, queue, data);
        write_in(in, queue, "lo\n");
        discard(next_of(queue, HOLDFAST_SUBMIT_COPY_IN_WRITE, 2));
        discard(next_of(queue, HOLDFAST_SUBMIT_COPY_IN_WRITE, 2));
    }
    OK(holdfast_submit_copy_in_finish(in, queue, 3, &options, NULL, &error));
    CHECK(next_of(queue, HOLDFAST_SUBMIT_COPY_IN_FINISH, 3).rows == PIECES);
    holdfast_copy_in_free(in);

    OK(holdfast_submit_connection_copy_out(connection, queue, 4, NULL, "copy (select n from held order by n) to stdout",
                                           HOLDFAST_NUL, NULL, &error));
    out = next_of(queue, HOLDFAST_SUBMIT_CONNECTION_COPY_OUT, 4).copy_out;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_copy_out_read(out, queue, 5, NULL, 0, NULL, &error));
    for (;; chunks++) {
        holdfast_cell cell;
        OK(holdfast_submit_copy_out_read(out, queue, 5, &options, 500, NULL, &error));
        done = next_of(queue, HOLDFAST_SUBMIT_COPY_OUT_READ, 5);
        if (done.chunk == NULL)
            break;
        cell = holdfast_chunk_data(done.chunk);
        CHECK(cell.len >= 1 && cell.ptr[cell.len - 1] == '\n' && cell.ptr[cell.len] == 0);
        for (char *at = (char *)(uintptr_t)cell.ptr; *at != 0; lines++) {
            sum += strtoul(at, &at, 10);
            CHECK(*at++ == '\n');
        }
        holdfast_chunk_free(done.chunk);
    }
    CHECK(lines == PIECES && sum == (uint64_t)PIECES * (PIECES - 1) / 2 && chunks > 1 && chunks < 10);
    CHECK(done.rows == PIECES && holdfast_copy_out_rows(out) == PIECES);
    holdfast_copy_out_free(out);
    CHECK(holdfast_chunk_data(NULL).ptr == NULL);
    script(connection, "truncate held");
}

static int64_t count_of(holdfast_connection *connection)
{
    holdfast_result *result;
    holdfast_error *error;
    int64_t count = -1;

    OK(holdfast_connection_query(connection, "select count(*)::int8 from held", HOLDFAST_NUL, NULL, 0,
                                 HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_i64(result, 0, 0, &count, &error));
    holdfast_result_free(result);
    return count;
}

static void what_is_refused_or_given_up_leaves_nothing(holdfast_connection *connection, holdfast_queue *queue)
{
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_copy_in_finish(NULL, queue, 1, NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_copy_out_read(NULL, queue, 1, NULL, 1, NULL, &error));
    OK(holdfast_submit_connection_copy_in(connection, queue, 1, NULL, "copy nowhere from stdin", HOLDFAST_NUL, NULL,
                                          &error));
    next_fails(queue, HOLDFAST_SUBMIT_CONNECTION_COPY_IN, HOLDFAST_STATUS_DATABASE);
    OK(holdfast_submit_connection_copy_out(connection, queue, 1, NULL, "select 1", HOLDFAST_NUL, NULL, &error));
    next_fails(queue, HOLDFAST_SUBMIT_CONNECTION_COPY_OUT, HOLDFAST_STATUS_MISUSE);

    in = begin_in(connection, queue, "copy held from stdin");
    write_in(in, queue, "no number\n");
    discard(next_of(queue, HOLDFAST_SUBMIT_COPY_IN_WRITE, 2));
    OK(holdfast_submit_copy_in_finish(in, queue, 3, NULL, NULL, &error));
    next_fails(queue, HOLDFAST_SUBMIT_COPY_IN_FINISH, HOLDFAST_STATUS_DATABASE);
    write_in(in, queue, "1\tx\n");
    next_fails(queue, HOLDFAST_SUBMIT_COPY_IN_WRITE, HOLDFAST_STATUS_MISUSE);
    holdfast_copy_in_free(in);

    in = begin_in(connection, queue, "copy held from stdin");
    write_in(in, queue, "1\tx\n");
    OK(holdfast_submit_copy_in_abort(in, queue, 4, NULL, "never mind", HOLDFAST_NUL, NULL, &error));
    discard(next_of(queue, HOLDFAST_SUBMIT_COPY_IN_WRITE, 2));
    discard(next_of(queue, HOLDFAST_SUBMIT_COPY_IN_ABORT, 4));
    holdfast_copy_in_free(in);

    OK(holdfast_submit_connection_copy_out(connection, queue, 5, NULL,
                                           "copy (select generate_series(1, 1000000)) to stdout", HOLDFAST_NUL, NULL,
                                           &error));
    out = next_of(queue, HOLDFAST_SUBMIT_CONNECTION_COPY_OUT, 5).copy_out;
    OK(holdfast_submit_copy_out_read(out, queue, 5, NULL, 1, NULL, &error));
    discard(next_of(queue, HOLDFAST_SUBMIT_COPY_OUT_READ, 5));
    holdfast_copy_out_free(out);
    CHECK(count_of(connection) == 0);
}

enum { ROWS = 4000 };

/* Data whose first row has the server sleep, and which are more than the sockets hold: so what is submitted next waits. */
static char *slow_data(void)
{
    enum { LENGTH = 8000 };
    char *data = malloc(ROWS * (size_t)(LENGTH + 8) + 1), *at = data;

    CHECK(data != NULL);
    for (int i = 0; i < ROWS; i++) {
        at += sprintf(at, "%d\t", i);
        memset(at, 'x', LENGTH);
        at += LENGTH;
        *at++ = '\n';
    }
    *at = 0;
    return data;
}

/* A piece that is cancelled, or dropped with its queue, before it ran: the rest must not be committed without it. One that was
 * refused stays with the program, and leaves no gap. */
static void a_copy_with_a_gap_is_never_finished(holdfast_connection *connection, holdfast_queue *queue)
{
    enum { CANCELLED, QUEUE_FREED, REFUSED, WAYS };
    char *slow = slow_data();

    for (int way = 0; way < WAYS; way++) {
        const holdfast_status wanted = way == REFUSED ? HOLDFAST_STATUS_OK : HOLDFAST_STATUS_MISUSE;
        holdfast_queue *other = open_queue(1);
        holdfast_completion done;
        holdfast_copy_in *in;
        holdfast_error *error;
        uint64_t number;

        in = begin_in(connection, queue, "copy held from stdin where n > 0 or pg_sleep(2) is not null");
        write_in(in, queue, slow);
        pause_ms(50);
        FAILS(HOLDFAST_STATUS_BUSY, holdfast_copy_in_write(in, "1", 1, &error));
        number = write_in(in, other, "7000\tx\n");
        FAILS(HOLDFAST_STATUS_QUEUE_FULL, holdfast_submit_copy_in_write(in, other, 2, NULL, "8000\tx\n", 7, NULL, &error));
        if (way == CANCELLED) {
            OK(holdfast_request_cancel(other, number, &error));
            next_fails(other, HOLDFAST_SUBMIT_COPY_IN_WRITE, HOLDFAST_STATUS_CANCELED);
        } else if (way == QUEUE_FREED) {
            holdfast_queue_free(other);
        }
        write_in(in, queue, "8000\tx\n");
        OK(holdfast_submit_copy_in_finish(in, queue, 3, NULL, NULL, &error));
        discard(next_of(queue, HOLDFAST_SUBMIT_COPY_IN_WRITE, 2));
        done = next(queue);
        CHECK(done.status == wanted);
        discard(done);
        done = next(queue);
        CHECK(done.status == wanted && done.rows == (way == REFUSED ? ROWS + 2 : 0));
        discard(done);
        if (way != REFUSED) {
            FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_write(in, "9\tx\n", 4, &error));
            FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_finish(in, NULL, &error));
        }
        holdfast_copy_in_free(in);
        CHECK(count_of(connection) == (way == REFUSED ? ROWS + 2 : 0));
        if (way != QUEUE_FREED)
            holdfast_queue_free(other);
    }
    free(slow);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection;

    CHECK(argc > 1);
    pool = open_pool(argv[1], "1");
    connection = acquire_by_queue(pool, queue);
    rows_go_in_and_out(connection, queue);
    what_is_refused_or_given_up_leaves_nothing(connection, queue);
    a_copy_with_a_gap_is_never_finished(connection, queue);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
    return 0;
}
