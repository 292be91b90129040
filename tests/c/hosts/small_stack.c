/* The stack that a caller needs is what the header says: for calls of each kind, it is measured how much of it is used. */
#include "../pools.h"

#include <pthread.h>
#include <stdint.h>

/* What the header asks for. */
#define ALLOWED (64 * 1024)
/* The stack of the threads here: a call that needs more than is allowed is found by a figure, and not by a crash. */
#define STACK (16 * ALLOWED)
#define UNUSED_BYTE 0xa5

static const char *url;
static holdfast_pool *pool;

static void opening_and_closing(void)
{
    holdfast_config *config;
    holdfast_error *error;
    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    holdfast_pool *own = opened(config);
    OK(ask(own, "select 1", &error));
    holdfast_stats stats = {.struct_size = sizeof stats};
    OK(holdfast_pool_stats(own, &stats, &error));
    holdfast_health health = {.struct_size = sizeof health};
    OK(holdfast_pool_health(own, &health, &error));
    OK(holdfast_pool_close(own, HOLDFAST_CONFIGURED, NULL, &error));
    holdfast_pool_free(own);
}

static void failing_to_open(void)
{
    holdfast_error *error;
    holdfast_pool *own;
    OK(holdfast_pool_open_url("postgresql://127.0.0.1:1/nowhere?retry_base_delay=1ms", HOLDFAST_NUL, &own, &error));
    CHECK(ask(own, "select 1", &error) != HOLDFAST_STATUS_OK);
    CHECK(holdfast_error_message(error).len > 0);
    holdfast_error_free(error);
    holdfast_pool_free(own);
}

static void queries(void)
{
    holdfast_error *error;
    OK(ask(pool, "select 1", &error));
    OK(ask(pool, "select repeat('x', 1000) from generate_series(1, 20000)", &error));
}

static void errors_of_the_server(void)
{
    holdfast_error *error;
    FAILS(HOLDFAST_STATUS_DATABASE, ask(pool, "select 1/0", &error));
    FAILS(HOLDFAST_STATUS_DATABASE, ask(pool, "this is no SQL", &error));
}

static holdfast_status insert_and_fail(void *failures_left, holdfast_connection *connection, holdfast_error **error)
{
    holdfast_result *result = NULL;
    const char *sql = *(int *)failures_left > 0 ? "do $$ begin raise sqlstate '40001'; end $$" : "select 1";
    --*(int *)failures_left;
    holdfast_status status = holdfast_connection_query(connection, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result,
                                                       error);
    holdfast_result_free(result);
    return status;
}

static void transactions(void)
{
    holdfast_error *error;
    int failures_left = 2;
    OK(holdfast_pool_transaction(pool, NULL, NULL, insert_and_fail, &failures_left, &error));
}

static void copying(void)
{
    holdfast_error *error;
    holdfast_connection *connection;
    holdfast_results *results;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_script(connection, "create temp table copied (n int); select 1", HOLDFAST_NUL, &results, &error));
    holdfast_results_free(results);
    holdfast_copy_in *copy;
    OK(holdfast_connection_copy_in(connection, "copy copied from stdin", HOLDFAST_NUL, &copy, &error));
    for (int i = 0; i < 10000; i++)
        OK(holdfast_copy_in_write(copy, "1\n", 2, &error));
    OK(holdfast_copy_in_finish(copy, NULL, &error));
    holdfast_copy_in_free(copy);
    holdfast_connection_release(connection);
}

static void reports(void)
{
    holdfast_error *error;
    holdfast_text *text;
    OK(holdfast_pool_metrics(pool, HOLDFAST_METRICS_JSON, &text, &error));
    holdfast_text_free(text);
    OK(holdfast_pool_explain_exhaustion(pool, HOLDFAST_METRICS_WORDS, &text, &error));
    holdfast_text_free(text);
}

/* Runs a scene on a thread of its own, and checks how much of its stack is not as it was before. */
static void *run(void *scene)
{
    ((void (*)(void))(uintptr_t)scene)();
    return NULL;
}

static void on_a_small_stack(const char *name, void (*scene)(void))
{
    void *memory;
    CHECK(posix_memalign(&memory, 4096, STACK) == 0);
    unsigned char *stack = memory;
    memset(stack, UNUSED_BYTE, STACK);
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, stack, STACK) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, &attributes, run, (void *)(uintptr_t)scene) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    /* A sanitizer's own frames are many times as large, and to valgrind what was a stack may not be read. */
    size_t unused = is_watched() ? STACK : 0;
    while (unused < STACK && stack[unused] == UNUSED_BYTE)
        unused++;
    printf("%s: %zu bytes\n", name, STACK - unused);
    CHECK(STACK - unused <= ALLOWED);
    free(memory);
    pthread_attr_destroy(&attributes);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    url = argv[1];
    holdfast_error *error;
    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    on_a_small_stack("opening and closing", opening_and_closing);
    on_a_small_stack("failing to open", failing_to_open);
    on_a_small_stack("queries", queries);
    on_a_small_stack("errors", errors_of_the_server);
    on_a_small_stack("transactions", transactions);
    on_a_small_stack("copying", copying);
    on_a_small_stack("reports", reports);
    holdfast_pool_free(pool);
    return 0;
}
