/* The helpers of the tests of queues. */
#ifndef QUEUES_H
#define QUEUES_H

#include "check.h"
#include <unistd.h>

static inline double now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The application_name of this process's sessions. Other programs use the same server meanwhile. */
static inline const char *own_name(void)
{
    static char name[32];
    snprintf(name, sizeof name, "queues of %ld.", (long)getpid());
    return name;
}

static inline holdfast_pool *open_pool(const char *url, const char *max_size)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "application_name", HOLDFAST_NUL, own_name(), HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, max_size, HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static inline holdfast_queue *open_queue(uint32_t capacity)
{
    holdfast_queue_options options = {.struct_size = sizeof options, .capacity = capacity};
    holdfast_queue *queue;
    holdfast_error *error;

    OK(holdfast_queue_new(&options, &queue, &error));
    return queue;
}

static inline holdfast_connection *acquire(holdfast_pool *pool)
{
    holdfast_connection *connection;
    holdfast_error *error;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    return connection;
}

/* Runs statements that have to succeed on a connection of the pool. */
static inline void pool_script(holdfast_pool *pool, const char *sql)
{
    holdfast_connection *connection = acquire(pool);
    script(connection, sql);
    holdfast_connection_release(connection);
}

static inline uint64_t submit(holdfast_pool *pool, holdfast_queue *queue, uint64_t tag, const char *sql)
{
    holdfast_error *error;
    uint64_t number = 0;

    OK(holdfast_submit_query(pool, queue, tag, NULL, sql, HOLDFAST_NUL, NULL, 0, &number, &error));
    CHECK(number != 0);
    return number;
}

/* The next completion, waited for. */
static inline holdfast_completion next(holdfast_queue *queue)
{
    holdfast_completion done;

    CHECK(holdfast_queue_wait(queue, 20000));
    CHECK(holdfast_queue_drain(queue, &done, 1, sizeof done) == 1);
    CHECK((done.status == HOLDFAST_STATUS_OK) == (done.error == NULL));
    CHECK(holdfast_error_status(done.error) == done.status);
    return done;
}

/* The next completion, which is a success of this kind. */
static inline holdfast_completion next_of(holdfast_queue *queue, int32_t kind, uint64_t tag)
{
    holdfast_completion done = next(queue);

    if (done.status != HOLDFAST_STATUS_OK)
        fprintf(stderr, "kind %d, status %d: %s\n", (int)done.kind, (int)done.status, holdfast_error_message(done.error).ptr);
    CHECK(done.status == HOLDFAST_STATUS_OK && done.kind == kind && done.tag == tag);
    return done;
}

/* The next completion, which is a failure of this kind. */
static inline void next_fails(holdfast_queue *queue, int32_t kind, holdfast_status wanted)
{
    holdfast_completion done = next(queue);

    if (done.status != wanted)
        fprintf(stderr, "kind %d, status %d: %s\n", (int)done.kind, (int)done.status, holdfast_error_message(done.error).ptr);
    CHECK(done.kind == kind && done.status == wanted && done.error != NULL);
    CHECK(done.stream == NULL && done.copy_in == NULL && done.copy_out == NULL && done.result == NULL);
    holdfast_error_free(done.error);
}

static inline void discard(holdfast_completion done)
{
    holdfast_result_free(done.result);
    holdfast_results_free(done.results);
    holdfast_outcomes_free(done.outcomes);
    holdfast_pack_free(done.pack);
    holdfast_stream_free(done.stream);
    holdfast_copy_in_free(done.copy_in);
    holdfast_copy_out_free(done.copy_out);
    holdfast_chunk_free(done.chunk);
    holdfast_statement_free(done.statement);
    holdfast_notices_free(done.notices);
    holdfast_connection_release(done.connection);
    holdfast_error_free(done.error);
}

/* Waits until so many connections are checked out. */
static inline void wait_until_in_use(holdfast_pool *pool, uint32_t count)
{
    holdfast_stats stats = {.struct_size = sizeof stats};
    holdfast_error *error;
    double begun = now();

    do {
        CHECK(now() - begun < 20);
        pause_ms(1);
        OK(holdfast_pool_stats(pool, &stats, &error));
    } while (stats.in_use < count);
}

/* Waits until the server runs a statement of this text. */
static inline void wait_until_runs(const char *url, const char *sql)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_param params[] = {{sql, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT}, {own_name(), HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT}};
    holdfast_error *error;
    double begun = now();
    int64_t running = 0;

    while (running == 0) {
        holdfast_result *result;
        CHECK(now() - begun < 20);
        OK(holdfast_pool_query(pool, NULL,
                               "select count(*) from pg_stat_activity"
                               " where state = 'active' and query = $1 and starts_with(application_name, $2)",
                               HOLDFAST_NUL, params, 2, HOLDFAST_FORMAT_TEXT, &result, &error));
        OK(holdfast_result_i64(result, 0, 0, &running, &error));
        holdfast_result_free(result);
    }
    holdfast_pool_free(pool);
}

/* Checks a connection out by the queue. */
static inline holdfast_connection *acquire_by_queue(holdfast_pool *pool, holdfast_queue *queue)
{
    holdfast_error *error;
    holdfast_completion done;

    OK(holdfast_submit_acquire(pool, queue, 5, NULL, NULL, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_OK && done.kind == HOLDFAST_SUBMIT_ACQUIRE && done.tag == 5);
    CHECK(done.connection != NULL && holdfast_connection_backend_pid(done.connection) != 0);
    return done.connection;
}

#endif
