/* Structs that say their size are read and filled exactly that far: every size from nothing to twice what this version
 * knows is tried on each of them, as programs of earlier and later versions would say it. */
#include "../check.h"

#include <stddef.h>

enum { CANARY = 0xA5, MARGIN = 64 };

/* Fills *place, or reads it, and returns a status. */
typedef holdfast_status (*call)(void *place, void *context);

/* Memory as large as a struct says it is, and not a byte more: a sanitizer or valgrind sees what goes beyond. The size
 * itself can always be read. */
static unsigned char *exactly(size_t size, int filling)
{
    uint32_t stated = (uint32_t)size;
    size_t held = size < sizeof stated ? sizeof stated : size;
    unsigned char *place = malloc(held);
    CHECK(place != NULL);
    memset(place, filling, held);
    memcpy(place, &stated, sizeof stated);
    return place;
}

/* The same amid canaries, for runs without a sanitizer. */
static unsigned char *amid_canaries(unsigned char *room, size_t size, int filling)
{
    uint32_t stated = (uint32_t)size;
    memset(room, CANARY, MARGIN + size + MARGIN);
    memset(room + MARGIN, filling, size);
    memcpy(room + MARGIN, &stated, sizeof stated);
    return room + MARGIN;
}

static void canaries_are_alive(const unsigned char *room, size_t size)
{
    size_t end = size < sizeof(uint32_t) ? sizeof(uint32_t) : size;
    for (size_t i = 0; i < MARGIN; i++)
        CHECK(room[i] == CANARY);
    for (size_t i = end; i < size + MARGIN; i++)
        CHECK(room[MARGIN + i] == CANARY);
}

/* A struct of `whole` bytes that a call fills, of which the first `stable` bytes are the same in every call. */
static void is_filled_as_far_as_it_goes(size_t whole, size_t stable, call fill, void *context)
{
    unsigned char *reference = exactly(whole, 0);
    unsigned char *room = malloc(MARGIN + 2 * whole + MARGIN);

    CHECK(room != NULL && fill(reference, context) == HOLDFAST_STATUS_OK);
    for (size_t size = 0; size <= 2 * whole; size++) {
        unsigned char *exact = exactly(size, 0x5A);
        unsigned char *guarded = amid_canaries(room, size, 0x5A);
        uint32_t stated;

        if (size < 2 * sizeof stated) {
            CHECK(fill(exact, context) == HOLDFAST_STATUS_ARGUMENT);
            CHECK(fill(guarded, context) == HOLDFAST_STATUS_ARGUMENT);
            for (size_t i = sizeof stated; i < size; i++)
                CHECK(exact[i] == 0x5A && guarded[i] == 0x5A);
        } else {
            size_t same = size < stable ? size : stable;
            CHECK(fill(exact, context) == HOLDFAST_STATUS_OK);
            CHECK(fill(guarded, context) == HOLDFAST_STATUS_OK);
            CHECK(memcmp(exact + sizeof stated, reference + sizeof stated, same - sizeof stated) == 0);
            CHECK(memcmp(guarded + sizeof stated, reference + sizeof stated, same - sizeof stated) == 0);
            for (size_t i = whole; i < size; i++)
                CHECK(exact[i] == 0 && guarded[i] == 0);
        }
        memcpy(&stated, guarded, sizeof stated);
        CHECK(stated == size);
        canaries_are_alive(room, size);
        free(exact);
    }
    free(room);
    free(reference);
}

/* A struct of `whole` bytes that a call reads, and accepts when all is zero. */
static void is_read_as_far_as_it_goes(size_t whole, call read, void *context)
{
    unsigned char *room = malloc(MARGIN + 2 * whole + MARGIN);

    CHECK(room != NULL);
    for (size_t size = 0; size <= 2 * whole; size++) {
        unsigned char *exact = exactly(size, 0);
        holdfast_status wanted =
            size < 2 * sizeof(uint32_t) ? HOLDFAST_STATUS_ARGUMENT : HOLDFAST_STATUS_OK;

        CHECK(read(exact, context) == wanted);
        CHECK(read(amid_canaries(room, size, 0), context) == wanted);
        canaries_are_alive(room, size);
        /* A field that this version does not know must not be ignored in silence. */
        for (size_t i = whole; i < size; i++) {
            exact[i] = 1;
            CHECK(read(exact, context) == HOLDFAST_STATUS_ARGUMENT);
            exact[i] = 0;
        }
        free(exact);
    }
    free(room);
}

static holdfast_status option(void *place, void *context)
{
    (void)context;
    return holdfast_option_get(0, place, NULL);
}

static holdfast_status stats(void *place, void *pool)
{
    return holdfast_pool_stats(pool, place, NULL);
}

static holdfast_status health(void *place, void *pool)
{
    return holdfast_pool_health(pool, place, NULL);
}

static holdfast_status close_report(void *place, void *pool)
{
    return holdfast_pool_close(pool, 0, place, NULL);
}

static holdfast_status column(void *place, void *result)
{
    return holdfast_result_column(result, 0, place) ? HOLDFAST_STATUS_OK : HOLDFAST_STATUS_ARGUMENT;
}

static holdfast_status attempt(void *place, void *error)
{
    return holdfast_error_attempt(error, 0, place) ? HOLDFAST_STATUS_OK : HOLDFAST_STATUS_ARGUMENT;
}

static holdfast_status snapshot(void *place, void *error)
{
    return holdfast_error_snapshot(error, place) ? HOLDFAST_STATUS_OK : HOLDFAST_STATUS_ARGUMENT;
}

static holdfast_status acquire(void *options, void *pool)
{
    holdfast_connection *connection;
    holdfast_status status = holdfast_pool_acquire(pool, options, &connection, NULL);
    CHECK((connection != NULL) == (status == HOLDFAST_STATUS_OK));
    holdfast_connection_release(connection);
    return status;
}

static holdfast_status begin(void *options, void *connection)
{
    holdfast_status status = holdfast_connection_begin(connection, options, NULL);
    CHECK((holdfast_connection_transaction_status(connection) == HOLDFAST_TRANSACTION_ACTIVE) ==
          (status == HOLDFAST_STATUS_OK));
    CHECK(holdfast_connection_rollback(connection, NULL) == HOLDFAST_STATUS_OK);
    return status;
}

static holdfast_status queue(void *options, void *context)
{
    holdfast_queue *queue;
    holdfast_status status = holdfast_queue_new(options, &queue, NULL);
    (void)context;
    CHECK((queue != NULL) == (status == HOLDFAST_STATUS_OK));
    holdfast_queue_free(queue);
    return status;
}

static holdfast_status submit(void *options, void *pool)
{
    holdfast_queue *queue;
    holdfast_completion done;
    holdfast_status status;
    CHECK(holdfast_queue_new(NULL, &queue, NULL) == HOLDFAST_STATUS_OK);
    status = holdfast_submit_acquire(pool, queue, 1, options, NULL, NULL);
    if (status == HOLDFAST_STATUS_OK) {
        CHECK(holdfast_queue_wait(queue, 10000) && holdfast_queue_drain(queue, &done, 1, sizeof done) == 1);
        CHECK(done.status == HOLDFAST_STATUS_OK);
        holdfast_connection_release(done.connection);
    }
    holdfast_queue_free(queue);
    return status;
}

static holdfast_pool *pool_of(const char *url, const char *key, const char *value)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "1", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, key, HOLDFAST_NUL, value, HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static void what_a_pool_fills_and_reads(const char *url)
{
    holdfast_pool *pool = pool_of(url, "min_idle", "0");
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;

    OK(holdfast_pool_query(pool, NULL, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    is_filled_as_far_as_it_goes(sizeof(holdfast_column), sizeof(holdfast_column), column, result);
    holdfast_result_free(result);
    is_filled_as_far_as_it_goes(sizeof(holdfast_stats), sizeof(holdfast_stats), stats, pool);
    /* From there on it says how long ago something was. */
    is_filled_as_far_as_it_goes(sizeof(holdfast_health), offsetof(holdfast_health, last_success_us), health, pool);
    is_read_as_far_as_it_goes(sizeof(holdfast_acquire_options), acquire, pool);
    is_read_as_far_as_it_goes(sizeof(holdfast_queue_options), queue, NULL);
    is_read_as_far_as_it_goes(sizeof(holdfast_submit_options), submit, pool);
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    is_read_as_far_as_it_goes(sizeof(holdfast_transaction_options), begin, connection);
    holdfast_connection_release(connection);
    OK(holdfast_pool_close(pool, 0, NULL, &error));
    is_filled_as_far_as_it_goes(sizeof(holdfast_close_report), offsetof(holdfast_close_report, elapsed_us),
                                close_report, pool);
    holdfast_pool_free(pool);
}

static void what_an_error_fills(void)
{
    holdfast_pool *pool = pool_of("host=/nowhere/at/all dbname=x", "retry_max", "0");
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(holdfast_pool_acquire(pool, NULL, &connection, &error) != HOLDFAST_STATUS_OK);
    CHECK(holdfast_error_attempt_count(error) == 1);
    is_filled_as_far_as_it_goes(sizeof(holdfast_attempt), offsetof(holdfast_attempt, age_us), attempt, error);
    is_filled_as_far_as_it_goes(sizeof(holdfast_snapshot), sizeof(holdfast_snapshot), snapshot, error);
    holdfast_error_free(error);
    holdfast_pool_free(pool);
}

/* The memory after the struct of a program of an earlier version is no field. */
static void a_field_beyond_the_size_is_not_read(const char *url)
{
    holdfast_pool *pool = pool_of(url, "connection_timeout", "300ms");
    holdfast_acquire_options options = {.struct_size = sizeof options, .timeout_ms = 5};
    holdfast_connection *only, *connection;
    holdfast_error *error;

    OK(holdfast_pool_acquire(pool, NULL, &only, &error));
    CHECK(holdfast_pool_acquire(pool, &options, &connection, &error) == HOLDFAST_STATUS_POOL_TIMEOUT);
    CHECK(holdfast_error_elapsed_us(error) < 300000);
    holdfast_error_free(error);
    options.struct_size = (uint32_t)offsetof(holdfast_acquire_options, timeout_ms);
    CHECK(holdfast_pool_acquire(pool, &options, &connection, &error) == HOLDFAST_STATUS_POOL_TIMEOUT);
    CHECK(holdfast_error_elapsed_us(error) >= 300000);
    holdfast_error_free(error);
    holdfast_connection_release(only);
    holdfast_pool_free(pool);
}

/* The element of an array says its size at each call: an earlier program gets what it knows, a later one zeros beyond. */
static void completions_are_filled_as_far_as_they_go(const char *url)
{
    const size_t first = offsetof(holdfast_completion, stream);
    holdfast_pool *pool = pool_of(url, "min_idle", "0");
    holdfast_connection *connection;
    holdfast_queue *queue;
    holdfast_error *error;

    OK(holdfast_queue_new(NULL, &queue, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    for (size_t size = first - 8; size <= 2 * sizeof(holdfast_completion); size += 8) {
        unsigned char *room = malloc(MARGIN + 2 * size + MARGIN);
        holdfast_completion done;
        size_t known = size < sizeof done ? size : sizeof done;

        CHECK(room != NULL);
        memset(room, CANARY, MARGIN + 2 * size + MARGIN);
        OK(holdfast_submit_connection_stream(connection, queue, 77, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
        CHECK(holdfast_queue_wait(queue, 20000));
        if (size < first) {
            CHECK(holdfast_queue_drain(queue, (void *)room, 2, size) == 0);
            CHECK(holdfast_queue_drain(queue, &done, 1, sizeof done) == 1);
            holdfast_stream_free(done.stream);
        } else {
            CHECK(holdfast_queue_drain(queue, (void *)(room + MARGIN), 2, size) == 1);
            memset(&done, 0, sizeof done);
            memcpy(&done, room + MARGIN, known);
            CHECK(done.tag == 77 && done.status == HOLDFAST_STATUS_OK && (done.stream != NULL) == (size > first));
            for (size_t i = sizeof done; i < size; i++)
                CHECK(room[MARGIN + i] == 0);
            for (size_t i = 0; i < MARGIN; i++)
                CHECK(room[i] == CANARY && room[MARGIN + size + i] == CANARY);
            holdfast_stream_free(done.stream);
        }
        /* What the program did not get is gone, and the connection free. */
        script(connection, "select 1");
        free(room);
    }
    holdfast_connection_release(connection);
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    is_filled_as_far_as_it_goes(sizeof(holdfast_option), sizeof(holdfast_option), option, NULL);
    what_a_pool_fills_and_reads(argv[1]);
    what_an_error_fills();
    a_field_beyond_the_size_is_not_read(argv[1]);
    completions_are_filled_as_far_as_they_go(argv[1]);
    return 0;
}
