/* An event loop that never waits for the database: one thread, epoll, and the descriptor of a queue. */
#include "../check.h"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { IN_FLIGHT = 50, ALL = 2000, BATCH = 16 };

static uint32_t submitted;

static void submit(holdfast_pool *pool, holdfast_queue *queue)
{
    uint32_t tag = submitted++;
    unsigned char key[] = {(unsigned char)(tag >> 24), (unsigned char)(tag >> 16), (unsigned char)(tag >> 8),
                           (unsigned char)tag};
    holdfast_param param = {key, sizeof key, 23, HOLDFAST_FORMAT_BINARY};
    holdfast_error *error;

    OK(holdfast_submit_query(pool, queue, tag, NULL, "select $1::int4 + 1", HOLDFAST_NUL, &param, 1, NULL, &error));
}

static void check(const holdfast_completion *done)
{
    holdfast_error *error;
    int64_t number = 0;

    CHECK(done->status == HOLDFAST_STATUS_OK);
    OK(holdfast_result_i64(done->result, 0, 0, &number, &error));
    CHECK(number == (int64_t)done->tag + 1);
    holdfast_result_free(done->result);
}

static bool is_readable(int epoll)
{
    struct epoll_event event;
    return epoll_wait(epoll, &event, 1, 0) == 1;
}

static void everything_comes_through_the_descriptor(holdfast_pool *pool, uint32_t edge)
{
    holdfast_queue *queue;
    holdfast_error *error;
    holdfast_completion done[BATCH];
    static bool seen[ALL];
    struct epoll_event event = {.events = EPOLLIN | edge};
    int epoll = epoll_create1(EPOLL_CLOEXEC), drained = 0, fd;

    OK(holdfast_queue_new(NULL, &queue, &error));
    fd = holdfast_queue_fd(queue);
    CHECK(fd >= 0 && fd == holdfast_queue_fd(queue));
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    CHECK(!is_readable(epoll));
    memset(seen, 0, sizeof seen);
    submitted = 0;
    while (submitted < IN_FLIGHT)
        submit(pool, queue);
    while (drained < ALL) {
        size_t count;
        CHECK(epoll_wait(epoll, &event, 1, 20000) == 1);
        do {
            count = holdfast_queue_drain(queue, done, BATCH, sizeof done[0]);
            for (size_t i = 0; i < count; i++) {
                check(&done[i]);
                CHECK(!seen[done[i].tag]);
                seen[done[i].tag] = true;
                if (submitted < ALL)
                    submit(pool, queue);
            }
            drained += (int)count;
        } while (edge && count == BATCH);
    }
    CHECK(holdfast_queue_pending(queue) == 0);
    CHECK(holdfast_queue_drain(queue, done, BATCH, sizeof done[0]) == 0);
    CHECK(!is_readable(epoll));
    holdfast_queue_free(queue);
    CHECK(close(epoll) == 0);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_error *error;

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    everything_comes_through_the_descriptor(pool, 0);
    everything_comes_through_the_descriptor(pool, EPOLLET);
    holdfast_pool_free(pool);
    return 0;
}
