/* Pools closed through a queue: with their report, at their limit, and not at all when that is cancelled before it begins. */
#include "../queues.h"

static uint64_t submit_close(holdfast_pool *pool, holdfast_queue *queue, uint64_t tag, uint64_t timeout_ms)
{
    holdfast_error *error;
    uint64_t number = 0;

    OK(holdfast_submit_close(pool, queue, tag, timeout_ms, &number, &error));
    CHECK(number != 0);
    return number;
}

static void a_pool_is_closed_once_what_runs_has_ended(const char *url)
{
    holdfast_pool *pool = open_pool(url, "2");
    holdfast_queue *queue = open_queue(16);
    holdfast_completion done, closed = {0};
    holdfast_error *error;
    int ran = 0;

    pool_script(pool, "select 1");
    submit(pool, queue, 1, "select pg_sleep(0.3)");
    submit(pool, queue, 2, "select pg_sleep(0.3)");
    wait_until_in_use(pool, 2);
    submit_close(pool, queue, 3, 20000);
    for (int i = 0; i < 3; i++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK);
        if (done.kind == HOLDFAST_SUBMIT_CLOSE)
            closed = done;
        else
            ran++;
        discard(done);
    }
    CHECK(ran == 2 && closed.tag == 3 && holdfast_pool_is_closed(pool));
    CHECK(closed.returned == 2 && closed.cut == 0 && closed.cancelled == 0 && closed.running_us > 0);
    FAILS(HOLDFAST_STATUS_POOL_CLOSED,
          holdfast_submit_query(pool, queue, 4, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));

    /* A second time there is nothing left to do. */
    submit_close(pool, queue, 5, HOLDFAST_CONFIGURED);
    done = next_of(queue, HOLDFAST_SUBMIT_CLOSE, 5);
    CHECK(done.idle_closed == 0 && done.returned == 0 && done.cut == 0);
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

static void requests_that_wait_for_a_connection_end_with_the_pool(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(16);
    holdfast_connection *held = acquire(pool);
    holdfast_completion done;
    uint64_t closing, rejected = 0;

    submit(pool, queue, 1, "select 1");
    submit(pool, queue, 2, "select 2");
    closing = submit_close(pool, queue, 3, 300);
    /* The pool's handle may go, and a close that has begun is not called off. */
    while (!holdfast_pool_is_closed(pool))
        pause_ms(1);
    holdfast_pool_free(pool);
    holdfast_error *error;
    OK(holdfast_request_cancel(queue, closing, &error));
    for (int i = 0; i < 3; i++) {
        done = next(queue);
        if (done.kind == HOLDFAST_SUBMIT_CLOSE)
            CHECK(done.status == HOLDFAST_STATUS_OK && done.cut == 1 && done.returned == 0);
        else
            rejected += done.status == HOLDFAST_STATUS_POOL_CLOSED;
        discard(done);
    }
    CHECK(rejected == 2);
    holdfast_connection_release(held);
    holdfast_queue_free(queue);
}

static void a_pool_without_a_handle_is_closed_all_the_same(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(1);
    holdfast_error *error;

    pool_script(pool, "select 1");
    submit_close(pool, queue, 1, HOLDFAST_CONFIGURED);
    FAILS(HOLDFAST_STATUS_QUEUE_FULL, holdfast_submit_close(pool, queue, 2, 0, NULL, &error));
    holdfast_pool_free(pool);
    holdfast_completion done = next_of(queue, HOLDFAST_SUBMIT_CLOSE, 1);
    CHECK(done.idle_closed == 1);
    holdfast_queue_free(queue);
}

static void nothing_but_a_pool_can_be_closed(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(1);
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_close(NULL, queue, 1, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_submit_close(pool, NULL, 1, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_submit_close((holdfast_pool *)(void *)queue, queue, 1, 0, NULL, &error));
    CHECK(holdfast_queue_pending(queue) == 0 && !holdfast_pool_is_closed(pool));
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    a_pool_is_closed_once_what_runs_has_ended(argv[1]);
    requests_that_wait_for_a_connection_end_with_the_pool(argv[1]);
    a_pool_without_a_handle_is_closed_all_the_same(argv[1]);
    nothing_but_a_pool_can_be_closed(argv[1]);
    return 0;
}
