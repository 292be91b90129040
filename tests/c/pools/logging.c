/* The log records of a pool, through the callback of its configuration. */
#include "../check.h"

#include <pthread.h>
#include <time.h>

/* Nobody listens on port 1. */
static const char *const NOBODY =
    "host=127.0.0.1 port=1 user=nobody retry_base_delay=5ms retry_jitter=0 retry_max=2 name=orders";

#define MOST 64

/* The records that a callback received. Several threads may call it. */
typedef struct {
    pthread_mutex_t lock;
    int count;
    int levels[MOST];
    char messages[MOST][256];
    uint64_t when[MOST];
    int destroyed;
    /* To be tried from inside. */
    const holdfast_pool *pool;
    holdfast_status inside[4];
    bool stats_inside;
} Heard;

static void begin(Heard *heard)
{
    memset(heard, 0, sizeof *heard);
    CHECK(pthread_mutex_init(&heard->lock, NULL) == 0);
}

static int count(Heard *heard)
{
    int now;
    pthread_mutex_lock(&heard->lock);
    now = heard->count;
    pthread_mutex_unlock(&heard->lock);
    return now;
}

static int destroyed(Heard *heard)
{
    int now;
    pthread_mutex_lock(&heard->lock);
    now = heard->destroyed;
    pthread_mutex_unlock(&heard->lock);
    return now;
}

/* The last work of a pool ends on a thread of the library, perhaps after its handle was freed. */
static bool is_destroyed(Heard *heard)
{
    for (int i = 0; i < 5000 && destroyed(heard) == 0; i++)
        pause_ms(2);
    return destroyed(heard) == 1;
}

static void hear(void *user_data, const holdfast_log_record *record)
{
    Heard *heard = user_data;
    pthread_mutex_lock(&heard->lock);
    CHECK(heard->destroyed == 0);
    CHECK(record->struct_size == sizeof *record && heard->count < MOST);
    CHECK(strlen(record->message.ptr) == record->message.len && has(record->pool, "127.0.0.1:"));
    heard->levels[heard->count] = record->level;
    snprintf(heard->messages[heard->count], sizeof heard->messages[0], "%s", record->message.ptr);
    heard->when[heard->count] = record->unix_us;
    heard->count++;
    pthread_mutex_unlock(&heard->lock);
}

static void forget(void *user_data)
{
    Heard *heard = user_data;
    pthread_mutex_lock(&heard->lock);
    heard->destroyed++;
    pthread_mutex_unlock(&heard->lock);
}

static holdfast_config *config_for(const char *url)
{
    holdfast_config *config;
    holdfast_error *error;
    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    return config;
}

static void refused(const holdfast_config *config)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;
    OK(holdfast_pool_open(config, &pool, &error));
    FAILS(HOLDFAST_STATUS_REFUSED, holdfast_pool_acquire(pool, NULL, &connection, &error));
    holdfast_pool_free(pool);
}

static void retries_are_told_one_by_one(void)
{
    Heard heard;
    holdfast_error *error;
    holdfast_config *config = config_for(NOBODY);
    uint64_t now = (uint64_t)time(NULL) * 1000000;

    begin(&heard);
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_WARN, hear, &heard, forget, &error));
    refused(config);
    CHECK(count(&heard) == 2);
    CHECK(heard.levels[0] == HOLDFAST_LOG_WARN && heard.levels[1] == HOLDFAST_LOG_WARN);
    CHECK(strstr(heard.messages[0], "could not open a connection (attempt 1): ") == heard.messages[0]);
    CHECK(strstr(heard.messages[0], "127.0.0.1:1") && strstr(heard.messages[0], "next attempt in 5 ms"));
    CHECK(strstr(heard.messages[1], "(attempt 2)") && strstr(heard.messages[1], "next attempt in 10 ms"));
    CHECK(heard.when[0] + 5000000 > now && heard.when[0] < now + 60000000);
    CHECK(heard.when[1] >= heard.when[0] + 5000);
    CHECK(destroyed(&heard) == 0);
    holdfast_config_free(config);
    CHECK(is_destroyed(&heard));
}

static void a_level_keeps_out_what_matters_less(void)
{
    Heard heard;
    holdfast_error *error;
    holdfast_config *config = config_for(NOBODY);

    begin(&heard);
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_ERROR, hear, &heard, forget, &error));
    refused(config);
    CHECK(count(&heard) == 0);
    holdfast_config_free(config);
    CHECK(is_destroyed(&heard));
}

static void single_connections_are_told_of_at_the_level_for_them(const char *url)
{
    Heard warned, debugged;
    holdfast_error *error;
    holdfast_config *config = config_for(url), *copy;
    holdfast_pool *quiet, *talkative;
    const holdfast_pool *pools[2];
    int i;

    begin(&warned);
    begin(&debugged);
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_WARN, hear, &warned, forget, &error));
    copy = holdfast_config_clone(config);
    OK(holdfast_config_set_log(copy, HOLDFAST_LOG_TRACE, hear, &debugged, forget, &error));
    CHECK(destroyed(&warned) == 0);
    OK(holdfast_pool_open(config, &quiet, &error));
    OK(holdfast_pool_open(copy, &talkative, &error));
    holdfast_config_free(config);
    holdfast_config_free(copy);
    pools[0] = quiet;
    pools[1] = talkative;
    for (i = 0; i < 2; i++) {
        holdfast_connection *connection;
        OK(holdfast_pool_acquire(pools[i], NULL, &connection, &error));
        OK(holdfast_connection_script(connection, "begin", HOLDFAST_NUL, NULL, &error));
        holdfast_connection_release(connection);
        OK(holdfast_pool_close(pools[i], 5000, NULL, &error));
    }
    CHECK(count(&warned) == 1 && strstr(warned.messages[0], "is a commit missing?"));
    CHECK(count(&debugged) == 3 && strstr(debugged.messages[1], "is a commit missing?"));
    CHECK(debugged.levels[0] == HOLDFAST_LOG_DEBUG && strstr(debugged.messages[0], "opened a connection"));
    CHECK(debugged.levels[2] == HOLDFAST_LOG_DEBUG && strstr(debugged.messages[2], "closing a connection"));
    holdfast_pool_free(quiet);
    holdfast_pool_free(talkative);
    CHECK(is_destroyed(&warned) && is_destroyed(&debugged));
}

static void another_callback_ends_the_first_and_failure_takes_nothing(void)
{
    Heard first, second, off;
    holdfast_error *error;
    holdfast_config *config = config_for(NOBODY);

    begin(&first);
    begin(&second);
    begin(&off);
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_INFO, hear, &first, forget, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_config_set_log(config, 6, hear, &second, forget, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_config_set_log(config, -1, hear, &second, forget, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_config_set_log(config, HOLDFAST_LOG_INFO, NULL, &second, forget, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_config_set_log(NULL, HOLDFAST_LOG_INFO, hear, &second, forget, &error));
    CHECK(destroyed(&first) == 0 && destroyed(&second) == 0);
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_WARN, hear, &second, forget, &error));
    CHECK(is_destroyed(&first));
    refused(config);
    CHECK(count(&first) == 0 && count(&second) == 2);
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_OFF, hear, &off, forget, &error));
    CHECK(is_destroyed(&second) && is_destroyed(&off));
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_OFF, NULL, NULL, NULL, &error));
    refused(config);
    CHECK(count(&second) == 2 && count(&off) == 0);
    holdfast_config_free(config);
    CHECK(is_destroyed(&first) && is_destroyed(&second) && is_destroyed(&off));
}

/* Tries from inside what blocks, and what does not. */
static void meddle(void *user_data, const holdfast_log_record *record)
{
    Heard *heard = user_data;
    holdfast_connection *connection;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};

    (void)record;
    heard->inside[0] = holdfast_pool_acquire(heard->pool, NULL, &connection, NULL);
    heard->inside[1] = holdfast_pool_try_acquire(heard->pool, &connection, NULL);
    heard->inside[2] = holdfast_pool_close(heard->pool, 0, NULL, NULL);
    heard->inside[3] = holdfast_pool_query(heard->pool, NULL, "select 1", HOLDFAST_NUL, NULL, 0,
                                           HOLDFAST_FORMAT_TEXT, &result, &error);
    CHECK(is(holdfast_error_kind(error), "reentrant"));
    holdfast_error_free(error);
    heard->stats_inside = holdfast_pool_stats(heard->pool, &stats, NULL) == HOLDFAST_STATUS_OK;
    heard->count++;
}

static void what_would_block_is_refused_inside(void)
{
    Heard heard;
    holdfast_error *error;
    holdfast_config *config = config_for(NOBODY);
    holdfast_pool *pool;
    holdfast_connection *connection;
    int i;

    begin(&heard);
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_WARN, meddle, &heard, NULL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    heard.pool = pool;
    FAILS(HOLDFAST_STATUS_REFUSED, holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(heard.count == 2 && heard.stats_inside);
    for (i = 0; i < 4; i++)
        CHECK(heard.inside[i] == HOLDFAST_STATUS_REENTRANT);
    CHECK(!holdfast_pool_is_closed(pool));
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    retries_are_told_one_by_one();
    a_level_keeps_out_what_matters_less();
    single_connections_are_told_of_at_the_level_for_them(argv[1]);
    another_callback_ends_the_first_and_failure_takes_nothing();
    what_would_block_is_refused_inside();
    return 0;
}
