/* A host that is about to end: once a pool or a queue was silenced, no function of the program is called, on any thread. */
#include "../queues.h"

#include <pthread.h>

/* What a callback is called with. */
typedef struct {
    int calls, destroyed;
    /* Held by a host that keeps its callbacks waiting, as an interpreter's lock is. */
    pthread_mutex_t lock;
    holdfast_pool *pool;
} host;

static int count_of(const int *count)
{
    return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

static void enter(host *it)
{
    __atomic_add_fetch(&it->calls, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&it->lock);
    pthread_mutex_unlock(&it->lock);
}

static void on_log(void *data, const holdfast_log_record *record)
{
    (void)record;
    enter(data);
}

static void on_event(void *data, const holdfast_event *event)
{
    host *it = data;
    holdfast_error *error;

    (void)event;
    if (it->pool != NULL)
        FAILS(HOLDFAST_STATUS_REENTRANT, holdfast_pool_silence(it->pool, 1000, &error));
    enter(it);
}

static holdfast_status on_connect(void *data, holdfast_connection *connection, holdfast_error **error)
{
    *error = NULL;
    enter(data);
    return holdfast_connection_script(connection, "set application_name = 'silence'", HOLDFAST_NUL, NULL, error);
}

static void on_password(void *data, const holdfast_password_request *request, holdfast_password *password)
{
    holdfast_error *error;

    (void)request;
    enter(data);
    OK(holdfast_password_fail(password, "there is none", HOLDFAST_NUL, &error));
}

static holdfast_status body(void *data, holdfast_connection *connection, holdfast_error **error)
{
    (void)connection;
    *error = NULL;
    enter(data);
    return HOLDFAST_STATUS_OK;
}

static void on_ready(void *data)
{
    enter(data);
}

static void destroy(void *data)
{
    __atomic_add_fetch(&((host *)data)->destroyed, 1, __ATOMIC_SEQ_CST);
}

static holdfast_config *config_of(const char *url, host *it)
{
    holdfast_config *config;
    holdfast_error *error;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "2", HOLDFAST_NUL, &error));
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_TRACE, on_log, it, destroy, &error));
    OK(holdfast_config_set_event(config, on_event, it, destroy, &error));
    OK(holdfast_config_set_connect(config, on_connect, it, destroy, &error));
    return config;
}

static void nothing_is_called_after_a_silence(const char *url)
{
    host it = {.lock = PTHREAD_MUTEX_INITIALIZER};
    holdfast_config *config = config_of(url, &it);
    holdfast_connection *connection, *second;
    holdfast_pool *pool, *other;
    holdfast_queue *queue = open_queue(0);
    holdfast_completion done;
    holdfast_error *error;
    int calls;

    OK(holdfast_pool_open(config, &pool, &error));
    OK(holdfast_pool_open(config, &other, &error));
    holdfast_config_free(config);
    it.pool = pool;
    connection = acquire(pool);
    CHECK(count_of(&it.calls) > 0 && count_of(&it.destroyed) == 0);

    OK(holdfast_pool_silence(pool, 10000, &error));
    calls = count_of(&it.calls);
    CHECK(calls > 0 && count_of(&it.destroyed) == 0);
    script(connection, "select 1");
    holdfast_connection_release(connection);
    /* The session that is there serves on. One that would have to be set up cannot be opened. */
    pool_script(pool, "select 1");
    connection = acquire(pool);
    FAILS(HOLDFAST_STATUS_CONFIG, holdfast_pool_acquire(pool, NULL, &second, &error));
    holdfast_connection_release(connection);
    CHECK(count_of(&it.calls) == calls);
    OK(holdfast_pool_silence(pool, 0, &error));

    /* Another pool of the same configuration is none of its business. */
    it.pool = NULL;
    pool_script(other, "select 1");
    CHECK(count_of(&it.calls) > calls);
    OK(holdfast_submit_transaction(other, queue, 1, NULL, NULL, body, &it, destroy, NULL, &error));
    discard(next_of(queue, HOLDFAST_SUBMIT_TRANSACTION, 1));
    OK(holdfast_pool_silence(other, 10000, &error));
    CHECK(count_of(&it.destroyed) >= 3);
    calls = count_of(&it.calls);
    OK(holdfast_submit_transaction(other, queue, 2, NULL, NULL, body, &it, destroy, NULL, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_POOL_CLOSED);
    discard(done);
    holdfast_pool_close(other, 0, NULL, NULL);
    holdfast_pool_close(pool, 0, NULL, NULL);
    holdfast_pool_free(pool);
    holdfast_pool_free(other);
    holdfast_queue_free(queue);
    pause_ms(50);
    CHECK(count_of(&it.calls) == calls && count_of(&it.destroyed) <= 4);
}

/* The callback waits for what the caller holds: the silence gives up in time, and knows later that it is done. */
static void a_callback_that_waits_for_the_caller_is_waited_for_no_longer_than_asked(const char *url)
{
    host it = {.lock = PTHREAD_MUTEX_INITIALIZER};
    holdfast_config *config = config_of(url, &it);
    holdfast_pool *pool;
    holdfast_queue *queue = open_queue(0);
    holdfast_error *error;
    double begun;
    int calls;

    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    pthread_mutex_lock(&it.lock);
    submit(pool, queue, 1, "select 1");
    while (count_of(&it.calls) == 0)
        pause_ms(1);
    begun = now();
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_pool_silence(pool, 50, &error));
    CHECK(now() - begun >= 0.04 && now() - begun < 10);
    calls = count_of(&it.calls);
    pthread_mutex_unlock(&it.lock);
    OK(holdfast_pool_silence(pool, 10000, &error));
    CHECK(count_of(&it.calls) == calls && count_of(&it.destroyed) == 3);
    /* It could not be set up any more, or was already. */
    discard(next(queue));
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void no_password_is_asked_for_after_a_silence(const char *url)
{
    host it = {.lock = PTHREAD_MUTEX_INITIALIZER};
    holdfast_config *config;
    holdfast_connection *connection;
    holdfast_pool *pool;
    holdfast_error *error;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "retry_max", HOLDFAST_NUL, "0", HOLDFAST_NUL, &error));
    OK(holdfast_config_set_password(config, on_password, &it, destroy, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    FAILS(HOLDFAST_STATUS_AUTH, holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(count_of(&it.calls) == 1 && count_of(&it.destroyed) == 0);
    OK(holdfast_pool_silence(pool, 10000, &error));
    CHECK(count_of(&it.destroyed) == 1);
    FAILS(HOLDFAST_STATUS_AUTH, holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(count_of(&it.calls) == 1);
    holdfast_pool_free(pool);
}

static void a_queue_is_silenced_too(const char *url)
{
    host it = {.lock = PTHREAD_MUTEX_INITIALIZER};
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(0);
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_NULL, holdfast_queue_silence(NULL, 0, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_silence(NULL, 0, &error));
    OK(holdfast_queue_silence(queue, 0, &error));
    OK(holdfast_queue_on_ready(queue, on_ready, &it, destroy, &error));
    pthread_mutex_lock(&it.lock);
    submit(pool, queue, 1, "select 1");
    while (count_of(&it.calls) == 0)
        pause_ms(1);
    FAILS(HOLDFAST_STATUS_BUSY, holdfast_queue_silence(queue, 20, &error));
    CHECK(count_of(&it.destroyed) == 0);
    pthread_mutex_unlock(&it.lock);
    while (count_of(&it.destroyed) == 0)
        pause_ms(1);
    discard(next_of(queue, HOLDFAST_SUBMIT_QUERY, 1));
    submit(pool, queue, 2, "select 1");
    discard(next_of(queue, HOLDFAST_SUBMIT_QUERY, 2));
    CHECK(count_of(&it.calls) == 1);
    OK(holdfast_queue_on_ready(queue, on_ready, &it, destroy, &error));
    OK(holdfast_queue_silence(queue, 10000, &error));
    CHECK(count_of(&it.destroyed) == 2);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    nothing_is_called_after_a_silence(argv[1]);
    a_callback_that_waits_for_the_caller_is_waited_for_no_longer_than_asked(argv[1]);
    no_password_is_asked_for_after_a_silence(argv[1]);
    a_queue_is_silenced_too(argv[1]);
    return 0;
}
