/* A callback that sets up every new session. */
#include "../check.h"

#include <pthread.h>

typedef struct {
    const char *sql;
    holdfast_status answer;
    bool releases;
    int calls, destroyed;
    holdfast_pool *pool;
    holdfast_status acquiring;
} Hook;

static holdfast_status set_up(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Hook *hook = user_data;
    holdfast_status status;
    hook->calls++;
    CHECK(*error == NULL && holdfast_connection_backend_pid(connection) != 0);
    if (hook->pool != NULL) {
        holdfast_connection *other;
        hook->acquiring = holdfast_pool_acquire(hook->pool, NULL, &other, NULL);
    }
    if (hook->releases)
        holdfast_connection_release(connection);
    status = holdfast_connection_script(connection, hook->sql, HOLDFAST_NUL, NULL, error);
    return status != HOLDFAST_STATUS_OK ? status : hook->answer;
}

static holdfast_status end_this_thread(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Hook *hook = user_data;
    (void)connection;
    (void)error;
    if (hook->calls++ == 0)
        pthread_exit(user_data);
    return HOLDFAST_STATUS_OK;
}

static void forget(void *user_data)
{
    __atomic_add_fetch(&((Hook *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST);
}

static holdfast_pool *open_pool(const char *url, Hook *hook, holdfast_connect_callback callback)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;
    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "1", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "retry_max", HOLDFAST_NUL, "0", HOLDFAST_NUL, &error));
    OK(holdfast_config_set_connect(config, callback, hook, forget, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

/* Frees the pool, and waits until the library is done with the callback's data, which it tells once. */
static void end(holdfast_pool *pool, Hook *hook)
{
    holdfast_pool_free(pool);
    for (int i = 0; i < 5000 && __atomic_load_n(&hook->destroyed, __ATOMIC_SEQ_CST) == 0; i++)
        pause_ms(2);
    CHECK(__atomic_load_n(&hook->destroyed, __ATOMIC_SEQ_CST) == 1);
}

static void every_session_is_set_up_once(const char *url)
{
    Hook hook = {"begin; set holdfast.tenant = 'seven'; commit", HOLDFAST_STATUS_OK, false, 0, 0, NULL, 0};
    holdfast_pool *pool = open_pool(url, &hook, set_up);
    hook.pool = pool;
    for (int i = 0; i < 3; i++) {
        holdfast_result *result;
        holdfast_error *error;
        holdfast_str text;
        OK(holdfast_pool_query(pool, NULL, "show holdfast.tenant", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result,
                               &error));
        OK(holdfast_result_text(result, 0, 0, &text, &error));
        CHECK(is(text, "seven"));
        holdfast_result_free(result);
    }
    CHECK(hook.calls == 1 && hook.acquiring == HOLDFAST_STATUS_MISUSE);
    end(pool, &hook);
}

static void what_the_callback_fails_with_is_the_cause(const char *url)
{
    Hook hook = {"select * from no_such_table", HOLDFAST_STATUS_OK, false, 0, 0, NULL, 0};
    holdfast_pool *pool = open_pool(url, &hook, set_up);
    holdfast_connection *connection = NULL;
    holdfast_error *error;

    CHECK(holdfast_pool_acquire(pool, NULL, &connection, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(connection == NULL && is(holdfast_error_phase(error), "setup"));
    CHECK(is(holdfast_error_sqlstate(error), "42P01") && has(holdfast_error_message(error), "no_such_table"));
    holdfast_error_free(error);

    hook.sql = "";
    hook.answer = 12345;
    FAILS(HOLDFAST_STATUS_CONFIG, holdfast_pool_acquire(pool, NULL, &connection, &error));
    hook.answer = HOLDFAST_STATUS_OK;
    hook.releases = true;
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_acquire(pool, NULL, &connection, &error));
    hook.releases = false;
    hook.sql = "begin";
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_pool_acquire(pool, NULL, &connection, &error));
    hook.sql = "";
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    holdfast_connection_release(connection);
    end(pool, &hook);
}

static void *acquire(void *pool)
{
    holdfast_connection *connection;
    holdfast_status status = holdfast_pool_acquire(pool, NULL, &connection, NULL);
    CHECK(status == HOLDFAST_STATUS_OK);
    holdfast_connection_release(connection);
    return NULL;
}

/* As an interpreter does with threads that come back to it at its end. */
static void a_callback_may_end_its_thread(const char *url)
{
    Hook hook = {"", HOLDFAST_STATUS_OK, false, 0, 0, NULL, 0};
    holdfast_pool *pool = open_pool(url, &hook, end_this_thread);
    pthread_t thread;
    void *ended;
    CHECK(pthread_create(&thread, NULL, acquire, pool) == 0 && pthread_join(thread, &ended) == 0);
    CHECK(ended == &hook);
    /* No place is lost. */
    CHECK(pthread_create(&thread, NULL, acquire, pool) == 0 && pthread_join(thread, &ended) == 0);
    CHECK(ended == NULL && hook.calls == 2);
    end(pool, &hook);
}

static void a_callback_is_taken_back(void)
{
    Hook hook = {"", HOLDFAST_STATUS_OK, false, 0, 0, NULL, 0};
    holdfast_config *config = holdfast_config_new();
    holdfast_error *error;
    OK(holdfast_config_set_connect(config, set_up, &hook, forget, &error));
    OK(holdfast_config_set_connect(config, NULL, NULL, NULL, &error));
    CHECK(hook.destroyed == 1);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_set_connect(NULL, set_up, &hook, forget, &error));
    CHECK(hook.destroyed == 1);
    holdfast_config_free(config);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    every_session_is_set_up_once(argv[1]);
    what_the_callback_fails_with_is_the_cause(argv[1]);
    if (!is_watched())
        a_callback_may_end_its_thread(argv[1]);
    a_callback_is_taken_back();
    return 0;
}
