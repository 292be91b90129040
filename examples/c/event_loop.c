/* An event loop: one thread that waits for its clock and for what the database has done, and never for the database. */
#include <holdfast.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { QUERIES = 8 };

static int watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    return fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0;
}

static void tell(const holdfast_completion *done)
{
    if (done->status) {
        printf("query %" PRIu64 ": %s\n", done->tag, holdfast_error_sqlstate(done->error).ptr);
    } else {
        int64_t square = 0;
        holdfast_result_i64(done->result, 0, 0, &square, NULL);
        printf("query %" PRIu64 ": %" PRId64 "\n", done->tag, square);
    }
    holdfast_result_free(done->result);
    holdfast_error_free(done->error);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "postgresql://localhost/postgres";
    const char *sql = "select 100 / $1::int, pg_sleep(0.05)";
    struct itimerspec every_10_ms = {{0, 10000000}, {0, 10000000}};
    holdfast_pool *pool = NULL;
    holdfast_queue *queue = NULL;
    holdfast_error *error = NULL;
    int failed = holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error) || holdfast_queue_new(NULL, &queue, &error);

    /* Hands the queries over and returns at once; the tag says later which is which. */
    for (uint64_t tag = 0; !failed && tag < QUERIES; tag++) {
        char text[8];
        snprintf(text, sizeof text, "%" PRIu64, tag);
        holdfast_param number = {text, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT};
        failed = holdfast_submit_query(pool, queue, tag, NULL, sql, HOLDFAST_NUL, &number, 1, NULL, &error) != 0;
    }
    if (failed) {
        fprintf(stderr, "%s\n", holdfast_error_message(error).ptr);
        return 1;
    }

    int epoll = epoll_create1(EPOLL_CLOEXEC), clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (watch(epoll, clock) || timerfd_settime(clock, 0, &every_10_ms, NULL) || watch(epoll, holdfast_queue_fd(queue)))
        return 1;
    uint64_t ticks = 0, expired;
    for (int left = QUERIES; left > 0;) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, -1) != 1)
            continue;
        if (event.data.fd == clock) {
            if (read(clock, &expired, sizeof expired) == sizeof expired)
                ticks += expired;
            continue;
        }
        holdfast_completion done[16];
        size_t count = holdfast_queue_drain(queue, done, 16, sizeof *done);
        for (size_t i = 0; i < count; i++)
            tell(&done[i]);
        left -= (int)count;
    }
    printf("the clock went on: %s\n", ticks > 0 ? "yes" : "no");
    close(clock);
    close(epoll);
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
    return 0;
}
