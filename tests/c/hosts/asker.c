/* Asks for rows of its own at full rate, behind a pooler that other processes use too. Arguments beside the URL: the name in its
 * rows, and for how many seconds. */
#include "../check.h"

#include <inttypes.h>
#include <pthread.h>

enum { THREADS = 2, TEXTS = 30 };

struct asker {
    const holdfast_pool *pool;
    const char *owner;
    double seconds;
    uint64_t asked, first;
};

static double now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check_row(const holdfast_result *result, const char *owner, uint64_t id, uint64_t text)
{
    holdfast_error *error;
    holdfast_cell cell = holdfast_result_cell(result, 0, 0);
    int64_t number;

    CHECK(cell.len == strlen(owner) && memcmp(cell.ptr, owner, cell.len) == 0);
    OK(holdfast_result_i64(result, 0, 1, &number, &error));
    CHECK((uint64_t)number == id);
    OK(holdfast_result_i64(result, 0, 2, &number, &error));
    CHECK((uint64_t)number == text);
}

static void *ask(void *argument)
{
    struct asker *asker = argument;
    const double end = now() + asker->seconds;

    for (uint64_t n = asker->first; asker->asked == 0 || now() < end; n++, asker->asked++) {
        char sql[120], id[24];
        snprintf(sql, sizeof sql, "select '%s'::text as owner, $1::bigint as id, %" PRIu64 " as text", asker->owner,
                 n % TEXTS);
        snprintf(id, sizeof id, "%" PRIu64, n);
        const holdfast_param param = {.value = id, .len = strlen(id)};
        const int32_t format = n % 2 == 0 ? HOLDFAST_FORMAT_TEXT : HOLDFAST_FORMAT_AUTOMATIC;
        holdfast_result *result;
        holdfast_error *error;

        if (n % 3 == 0) {
            holdfast_connection *connection;
            OK(holdfast_pool_acquire(asker->pool, NULL, &connection, &error));
            OK(holdfast_connection_query(connection, sql, HOLDFAST_NUL, &param, 1, format, &result, &error));
            holdfast_connection_release(connection);
        } else {
            OK(holdfast_pool_query(asker->pool, NULL, sql, HOLDFAST_NUL, &param, 1, format, &result, &error));
        }
        check_row(result, asker->owner, n, n % TEXTS);
        holdfast_result_free(result);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    struct asker askers[THREADS];
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;
    uint64_t asked = 0;

    CHECK(argc >= 2);
    OK(holdfast_config_from_url(argv[1], HOLDFAST_NUL, &config, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    for (uint64_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.pool = pool,
                                   .owner = argc > 2 ? argv[2] : "c",
                                   .seconds = argc > 3 ? strtod(argv[3], NULL) : 0.2,
                                   .first = i * 7};
        CHECK(pthread_create(&threads[i], NULL, ask, &askers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        asked += askers[i].asked;
    }
    holdfast_pool_free(pool);
    printf("asked %" PRIu64 "\n", asked);
    return 0;
}
