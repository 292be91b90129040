/* Laws of the header that are easy to state and easy to break: who may share what, and what is refused. */
#define _DEFAULT_SOURCE
#include "../queues.h"

#include <pthread.h>
#include <sys/mman.h>

static void *read_the_configuration(void *given)
{
    const holdfast_config *config = given;

    for (int i = 0; i < 500; i++) {
        holdfast_error *error;
        holdfast_text *value;
        OK(holdfast_config_get(config, "max_size", HOLDFAST_NUL, &value, &error));
        CHECK(is(holdfast_text_view(value), "3"));
        holdfast_text_free(value);
        OK(holdfast_config_validate(config, &error));
        holdfast_config *copy = holdfast_config_clone(config);
        CHECK(copy != NULL);
        holdfast_config_free(copy);
    }
    return NULL;
}

static void a_constant_configuration_is_read_by_several_threads_at_once(const char *url)
{
    holdfast_config *config;
    holdfast_error *error;
    pthread_t threads[4];

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "3", HOLDFAST_NUL, &error));
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, read_the_configuration, config) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    holdfast_config_free(config);
}

static void a_nul_inside_a_text_is_refused_as_one(holdfast_pool *pool)
{
    holdfast_error *error;
    holdfast_result *result;
    holdfast_config *config = holdfast_config_new();
    holdfast_text *quoted;

    FAILS(HOLDFAST_STATUS_UTF8,
          holdfast_pool_query(pool, NULL, "select\0 1", 9, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_config_set(config, "user", HOLDFAST_NUL, "a\0b", 3, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_quote_literal("a\0b", 3, &quoted, &error));
    CHECK(quoted == NULL);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_quote_identifier("a", 1, NULL, &error));
    OK(holdfast_quote_identifier("say \"x\"", HOLDFAST_NUL, &quoted, &error));
    CHECK(is(holdfast_text_view(quoted), "\"say \"\"x\"\"\""));
    holdfast_text_free(quoted);
    OK(holdfast_quote_literal("it's", HOLDFAST_NUL, &quoted, &error));
    CHECK(is(holdfast_text_view(quoted), "'it''s'"));
    holdfast_text_free(quoted);
    holdfast_config_free(config);
}

/* Nothing of it is read: the pages are not even there. */
static void a_value_larger_than_any_message_is_refused_and_costs_no_connection(holdfast_pool *pool)
{
    size_t size = (size_t)1200 * 1000 * 1000;
    void *value = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    holdfast_param param = {value, size, 17, HOLDFAST_FORMAT_BINARY};
    holdfast_stats before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    holdfast_error *error;
    holdfast_result *result;

    CHECK(value != MAP_FAILED);
    OK(holdfast_pool_stats(pool, &before, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_pool_query(pool, NULL, "select length($1)", HOLDFAST_NUL, &param, 1, HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_pool_stats(pool, &after, &error));
    CHECK(after.closed_broken == before.closed_broken);
    munmap(value, size);
}

static void what_was_not_taken_is_counted(holdfast_pool *pool)
{
    holdfast_connection *conn;
    holdfast_result *result;
    holdfast_error *error;
    uint64_t dropped = 1;

    OK(holdfast_pool_acquire(pool, NULL, &conn, &error));
    OK(holdfast_connection_ping(conn, &error));
    OK(holdfast_connection_dropped_messages(conn, &dropped, &error));
    CHECK(dropped == 0);
    OK(holdfast_connection_script(conn, "listen deaf", HOLDFAST_NUL, NULL, &error));
    OK(holdfast_connection_query(conn, "select count(pg_notify('deaf', n::text)) from generate_series(1, 12000) as n",
                                 HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    holdfast_result_free(result);
    OK(holdfast_connection_ping(conn, &error));
    OK(holdfast_connection_dropped_messages(conn, &dropped, &error));
    CHECK(dropped >= 2000 && dropped < 12000);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_dropped_messages(conn, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_ping(NULL, &error));
    holdfast_connection_discard(conn);
}

static void a_column_is_found_by_its_name(holdfast_pool *pool)
{
    holdfast_result *result;
    holdfast_error *error;

    OK(holdfast_pool_query(pool, NULL, "select 1 as one, 2 as two, 3 as two", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                           &result, &error));
    CHECK(holdfast_result_find_column(result, "two", HOLDFAST_NUL) == 1);
    CHECK(holdfast_result_find_column(result, "twofold", 3) == 1);
    CHECK(holdfast_result_find_column(result, "three", HOLDFAST_NUL) == HOLDFAST_NOWHERE);
    CHECK(holdfast_result_find_column(NULL, "one", HOLDFAST_NUL) == HOLDFAST_NOWHERE);
    holdfast_result_free(result);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    a_constant_configuration_is_read_by_several_threads_at_once(argv[1]);
    holdfast_pool *pool = open_pool(argv[1], "2");
    a_nul_inside_a_text_is_refused_as_one(pool);
    a_value_larger_than_any_message_is_refused_and_costs_no_connection(pool);
    what_was_not_taken_is_counted(pool);
    a_column_is_found_by_its_name(pool);
    holdfast_pool_free(pool);
    return 0;
}
