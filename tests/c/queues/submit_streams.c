/* Streams that are opened and read through a queue, a portion for each request. */
#include "../queues.h"

static holdfast_stream *open_stream(holdfast_connection *connection, holdfast_queue *queue, const char *sql)
{
    holdfast_error *error;
    holdfast_completion done;

    OK(holdfast_submit_connection_stream(connection, queue, 7, NULL, sql, HOLDFAST_NUL, NULL, 0, NULL, &error));
    done = next_of(queue, HOLDFAST_SUBMIT_CONNECTION_STREAM, 7);
    CHECK(done.stream != NULL && done.result == NULL);
    return done.stream;
}

static uint64_t submit_next(holdfast_stream *stream, holdfast_queue *queue, uint64_t tag, size_t rows)
{
    holdfast_error *error;
    uint64_t number = 0;

    OK(holdfast_submit_stream_next(stream, queue, tag, NULL, rows, &number, &error));
    return number;
}

static void the_rows_come_in_order_and_the_connection_is_free_after_the_end(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire_by_queue(pool, queue);
    holdfast_submit_options options = {.struct_size = sizeof options, .pack = 1, .deadline_ms = 10000};
    holdfast_param param = {"2500", 4, 0, HOLDFAST_FORMAT_TEXT};
    holdfast_column column = {.struct_size = sizeof column};
    holdfast_completion done;
    holdfast_stream *stream;
    holdfast_error *error;
    int64_t expected = 0, value;

    OK(holdfast_submit_connection_stream(connection, queue, 1, NULL, "select n from generate_series(1, $1::int) n",
                                         HOLDFAST_NUL, &param, 1, NULL, &error));
    stream = next_of(queue, HOLDFAST_SUBMIT_CONNECTION_STREAM, 1).stream;
    CHECK(holdfast_stream_columns(stream) == 1 && holdfast_stream_column(stream, 0, &column));
    CHECK(is(column.name, "n") && is(holdfast_stream_command_tag(stream), ""));
    /* One portion in advance: while one is worked on, the next is read. */
    submit_next(stream, queue, 2, 1000);
    for (;;) {
        submit_next(stream, queue, 2, 1000);
        done = next_of(queue, HOLDFAST_SUBMIT_STREAM_NEXT, 2);
        CHECK(done.stream == NULL && done.pack == NULL);
        if (done.result == NULL)
            break;
        for (size_t row = 0; row < holdfast_result_rows(done.result); row++) {
            OK(holdfast_result_i64(done.result, row, 0, &value, &error));
            CHECK(value == ++expected);
        }
        discard(done);
    }
    CHECK(expected == 2500 && is(holdfast_stream_command_tag(stream), "SELECT 2500"));
    /* The portion that was asked for beyond the end. */
    done = next_of(queue, HOLDFAST_SUBMIT_STREAM_NEXT, 2);
    CHECK(done.result == NULL);
    holdfast_stream_free(stream);
    script(connection, "select 1");

    stream = open_stream(connection, queue, "select generate_series(1, 3)");
    OK(holdfast_submit_stream_next(stream, queue, 3, &options, 10, NULL, &error));
    done = next_of(queue, HOLDFAST_SUBMIT_STREAM_NEXT, 3);
    CHECK(done.result == NULL && done.pack != NULL && holdfast_pack_data(done.pack).len > 0);
    discard(done);
    OK(holdfast_submit_stream_next(stream, queue, 4, &options, 10, NULL, &error));
    done = next_of(queue, HOLDFAST_SUBMIT_STREAM_NEXT, 4);
    CHECK(done.pack == NULL && is(holdfast_stream_command_tag(stream), "SELECT 3"));
    holdfast_stream_free(stream);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

/* Far more than what sockets and this process take in: the server can only have run so far if nothing holds it back. */
static void the_server_is_held_back_while_nothing_is_asked_for(const char *url)
{
    holdfast_pool *pool = open_pool(url, "2");
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire_by_queue(pool, queue);
    holdfast_stream *stream;
    char sql[200];

    pool_script(pool, "drop table if exists held_back; drop sequence if exists held_back_seq; create sequence held_back_seq");
    snprintf(sql, sizeof sql, "select nextval('held_back_seq'), repeat('x', 10000) from generate_series(1, %zu)",
             (size_t)20000);
    stream = open_stream(connection, queue, sql);
    submit_next(stream, queue, 1, 10);
    discard(next_of(queue, HOLDFAST_SUBMIT_STREAM_NEXT, 1));
    pause_ms(300);
    CHECK(read_number(pool, "select last_value from held_back_seq") < 15000);
    holdfast_stream_free(stream);
    /* What was left of it is cancelled before the next statement. */
    script(connection, "select 1");
    holdfast_connection_release(connection);
    pool_script(pool, "drop sequence held_back_seq");
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void deadlines_cancels_and_errors_end_a_stream(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire_by_queue(pool, queue);
    holdfast_submit_options options = {.struct_size = sizeof options, .deadline_ms = 50};
    const char *slow = "select pg_sleep(case n when 5000 then 30 else 0 end), repeat('x', 100) from generate_series(1, 5001) n";
    holdfast_completion done;
    holdfast_stream *stream;
    holdfast_result *result;
    holdfast_error *error;
    uint64_t number;

    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_stream_next(NULL, queue, 1, NULL, 1, NULL, &error));
    OK(holdfast_submit_connection_stream(connection, queue, 1, NULL, "select 1 from nowhere", HOLDFAST_NUL, NULL, 0,
                                         NULL, &error));
    next_fails(queue, HOLDFAST_SUBMIT_CONNECTION_STREAM, HOLDFAST_STATUS_DATABASE);
    stream = open_stream(connection, queue, "select 1 / (500 - n) from generate_series(1, 1000) n");
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_stream_next(stream, queue, 1, NULL, 0, NULL, &error));
    /* Other statements wait for the stream's end in vain: it is for the program to end it. */
    OK(holdfast_submit_connection_query(connection, queue, 1, NULL, "select 1", 8, NULL, 0, NULL, &error));
    next_fails(queue, HOLDFAST_SUBMIT_CONNECTION_QUERY, HOLDFAST_STATUS_MISUSE);
    submit_next(stream, queue, 2, 5000);
    next_fails(queue, HOLDFAST_SUBMIT_STREAM_NEXT, HOLDFAST_STATUS_DATABASE);
    submit_next(stream, queue, 2, 5000);
    next_fails(queue, HOLDFAST_SUBMIT_STREAM_NEXT, HOLDFAST_STATUS_MISUSE);
    holdfast_stream_free(stream);
    script(connection, "select 1");

    stream = open_stream(connection, queue, slow);
    number = submit_next(stream, queue, 3, 10000);
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_stream_next(stream, 1, &result, &error));
    pause_ms(100);
    OK(holdfast_request_cancel(queue, number, &error));
    next_fails(queue, HOLDFAST_SUBMIT_STREAM_NEXT, HOLDFAST_STATUS_CANCELED);
    holdfast_stream_free(stream);
    script(connection, "select 1");

    stream = open_stream(connection, queue, slow);
    OK(holdfast_submit_stream_next(stream, queue, 3, &options, 10000, NULL, &error));
    next_fails(queue, HOLDFAST_SUBMIT_STREAM_NEXT, HOLDFAST_STATUS_QUERY_TIMEOUT);
    submit_next(stream, queue, 4, 1);
    done = next(queue);
    CHECK(done.status != HOLDFAST_STATUS_OK);
    discard(done);
    holdfast_connection_release(connection);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_submit_stream_next(stream, queue, 1, NULL, 1, NULL, &error));
    holdfast_stream_free(stream);
    /* The connection was lost, and its place in the pool was not. */
    pool_script(pool, "select 1");
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void a_queue_freed_with_portions_under_way_loses_nothing_else(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(0), *other = open_queue(0);
    holdfast_connection *connection = acquire_by_queue(pool, queue);
    holdfast_stream *stream;
    holdfast_completion done;
    holdfast_error *error;
    int64_t value;

    stream = open_stream(connection, queue, "select n from generate_series(1, 30) n");
    submit_next(stream, other, 1, 10);
    discard(next_of(other, HOLDFAST_SUBMIT_STREAM_NEXT, 1));
    /* This one runs, or is dropped, with its queue. */
    submit_next(stream, other, 2, 10);
    holdfast_queue_free(other);
    submit_next(stream, queue, 3, 10);
    done = next_of(queue, HOLDFAST_SUBMIT_STREAM_NEXT, 3);
    OK(holdfast_result_i64(done.result, 0, 0, &value, &error));
    CHECK(value == 11 || value == 21);
    discard(done);
    /* The stream goes while a portion of it is submitted for, and the queue while a stream waits in it. */
    submit_next(stream, queue, 4, 1);
    holdfast_stream_free(stream);
    done = next(queue);
    CHECK(done.result != NULL || value == 21);
    discard(done);
    OK(holdfast_submit_connection_stream(connection, queue, 5, NULL, "select generate_series(1, 9)", HOLDFAST_NUL, NULL,
                                         0, NULL, &error));
    CHECK(holdfast_queue_wait(queue, 20000));
    holdfast_queue_free(queue);
    script(connection, "select 1");
    holdfast_connection_release(connection);
    pool_script(pool, "select 1");
    holdfast_pool_free(pool);
}

static void a_lost_connection_ends_its_stream_with_an_error(const char *url)
{
    holdfast_pool *pool = open_pool(url, "2");
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire_by_queue(pool, queue);
    holdfast_stream *stream;
    holdfast_completion done;
    char sql[100];

    stream = open_stream(connection, queue, "select repeat('x', 10000) from generate_series(1, 20000)");
    snprintf(sql, sizeof sql, "select pg_terminate_backend(%u)", (unsigned)holdfast_connection_backend_pid(connection));
    pool_script(pool, sql);
    do {
        submit_next(stream, queue, 1, 1000);
        done = next(queue);
        holdfast_result_free(done.result);
    } while (done.status == HOLDFAST_STATUS_OK);
    CHECK(done.status == HOLDFAST_STATUS_CONNECTION_LOST && done.result == NULL);
    holdfast_error_free(done.error);
    holdfast_stream_free(stream);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    the_rows_come_in_order_and_the_connection_is_free_after_the_end(argv[1]);
    the_server_is_held_back_while_nothing_is_asked_for(argv[1]);
    deadlines_cancels_and_errors_end_a_stream(argv[1]);
    a_queue_freed_with_portions_under_way_loses_nothing_else(argv[1]);
    a_lost_connection_ends_its_stream_with_an_error(argv[1]);
    return 0;
}
