/* Connections that were checked out by a queue: they do what they are given in order, whatever else waits or ends. */
#include "../queues.h"

static void a_connection_in_hand_does_what_it_is_given_in_order(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire_by_queue(pool, queue);
    holdfast_submit_options options = {.struct_size = sizeof options, .deadline_ms = 10000};
    holdfast_param param = {"1", 1, 0, 0};
    holdfast_completion done;
    holdfast_results *results;
    holdfast_result *result;
    holdfast_error *error;
    uint64_t number = 0;

    OK(holdfast_submit_connection_script(connection, queue, 1, &options,
                                         "create temp table steps (n int); begin; select pg_sleep(0.1)", HOLDFAST_NUL,
                                         &number, &error));
    CHECK(number != 0);
    for (uint64_t tag = 2; tag < 12; tag++)
        OK(holdfast_submit_connection_query(connection, queue, tag, NULL, "insert into steps values ($1::int)",
                                            HOLDFAST_NUL, &param, 1, NULL, &error));
    OK(holdfast_submit_connection_query(connection, queue, 12, &options, "select count(*)::int8 from steps",
                                        HOLDFAST_NUL, NULL, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_BUSY,
          holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_connection_script(connection, "", 0, &results, &error));
    for (uint64_t tag = 1; tag < 13; tag++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK && done.tag == tag);
        if (tag == 1) {
            CHECK(done.kind == HOLDFAST_SUBMIT_CONNECTION_SCRIPT && holdfast_results_count(done.results) == 3);
        } else {
            CHECK(done.kind == HOLDFAST_SUBMIT_CONNECTION_QUERY && done.result != NULL);
        }
        if (tag == 12) {
            int64_t count = 0;
            OK(holdfast_result_i64(done.result, 0, 0, &count, &error));
            CHECK(count == 10);
        }
        discard(done);
    }
    /* The connection is free as soon as the last answer is there. */
    OK(holdfast_connection_query(connection, "commit", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    holdfast_result_free(result);
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
}

/* However many requests wait for a connection, those who hold all of them are not held up. */
static void what_waits_for_a_connection_is_not_in_the_way_of_those_in_hand(const char *url)
{
    holdfast_pool *pool = open_pool(url, "2");
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *first = acquire_by_queue(pool, queue), *second = acquire_by_queue(pool, queue);
    holdfast_completion done;
    holdfast_error *error;

    for (uint64_t tag = 100; tag < 104; tag++)
        OK(holdfast_submit_acquire(pool, queue, tag, NULL, NULL, &error));
    for (uint64_t tag = 104; tag < 108; tag++)
        submit(pool, queue, tag, "select 1");
    pause_ms(50);
    for (uint64_t round = 0; round < 3; round++) {
        OK(holdfast_submit_connection_query(first, queue, 1, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
        OK(holdfast_submit_connection_query(second, queue, 2, NULL, "select 2", HOLDFAST_NUL, NULL, 0, NULL, &error));
        for (int i = 0; i < 2; i++) {
            done = next(queue);
            CHECK(done.status == HOLDFAST_STATUS_OK && done.tag < 3);
            discard(done);
        }
    }
    CHECK(holdfast_queue_pending(queue) == 8);
    holdfast_connection_release(first);
    holdfast_connection_release(second);
    for (int i = 0; i < 8; i++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK && done.tag >= 100);
        discard(done); /* releases what was acquired */
    }
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void a_connection_released_early_first_does_what_it_was_given(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(0);
    holdfast_connection *connection = acquire_by_queue(pool, queue);
    holdfast_completion done;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};

    for (uint64_t tag = 0; tag < 3; tag++)
        OK(holdfast_submit_connection_query(connection, queue, tag, NULL, "select pg_sleep(0.05)", HOLDFAST_NUL, NULL,
                                            0, NULL, &error));
    holdfast_connection_release(connection);
    for (uint64_t tag = 0; tag < 3; tag++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK && done.tag == tag);
        discard(done);
    }
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.in_use == 0 && stats.idle == 1);

    connection = acquire_by_queue(pool, queue);
    for (uint64_t tag = 0; tag < 3; tag++)
        OK(holdfast_submit_connection_query(connection, queue, tag, NULL, "select pg_sleep(1.5)", HOLDFAST_NUL, NULL,
                                            0, NULL, &error));
    wait_until_runs(url, "select pg_sleep(1.5)");
    holdfast_connection_discard(connection);
    for (int i = 0; i < 3; i++) {
        done = next(queue);
        CHECK(done.status == (done.tag == 0 ? HOLDFAST_STATUS_OK : HOLDFAST_STATUS_CANCELED));
        discard(done);
    }
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.in_use == 0 && stats.idle == 0 && stats.opens == 1);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;

    CHECK(argc > 1);
    pool = open_pool(argv[1], "3");
    a_connection_in_hand_does_what_it_is_given_in_order(pool);
    holdfast_pool_free(pool);
    what_waits_for_a_connection_is_not_in_the_way_of_those_in_hand(argv[1]);
    a_connection_released_early_first_does_what_it_was_given(argv[1]);
    return 0;
}
