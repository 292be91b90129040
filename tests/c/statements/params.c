/* Parameters that the library keeps, what is known of a connection, and texts for readers that know no struct. */
#include "../queues.h"

#include <math.h>

static holdfast_params *new_params(void)
{
    holdfast_params *params;
    holdfast_error *error;
    OK(holdfast_params_new(&params, &error));
    return params;
}

static void returns(holdfast_pool *pool, const char *sql, const holdfast_params *params, const char *wanted)
{
    holdfast_result *result;
    holdfast_str text;
    holdfast_error *error;

    OK(holdfast_pool_query(pool, NULL, sql, HOLDFAST_NUL, holdfast_params_data(params), holdfast_params_count(params),
                           HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_text(result, 0, 0, &text, &error));
    if (!is(text, wanted))
        fprintf(stderr, "%s: %s, not %s\n", sql, text.ptr, wanted);
    CHECK(is(text, wanted));
    holdfast_result_free(result);
}

static void every_kind_of_value_goes_to_the_server_as_it_is(holdfast_pool *pool)
{
    holdfast_params *params = new_params();
    holdfast_error *error;
    char text[] = "a text";

    CHECK(holdfast_params_data(params) == NULL && holdfast_params_count(params) == 0);
    OK(holdfast_params_add_i64(params, -9223372036854775807LL - 1, &error));
    OK(holdfast_params_add_i64(params, 7, &error));
    OK(holdfast_params_add_f64(params, 0.1 + 0.2, &error));
    OK(holdfast_params_add_bool(params, 1, &error));
    OK(holdfast_params_add_text(params, text, HOLDFAST_NUL, &error));
    OK(holdfast_params_add_bytes(params, "\0\xff", 2, &error));
    OK(holdfast_params_add_null(params, 25, &error));
    OK(holdfast_params_add(params, "\0\0\0\x2a", 4, 23, HOLDFAST_FORMAT_BINARY, &error));
    /* They were copied. */
    text[0] = 'X';
    CHECK(holdfast_params_count(params) == 8);
    for (int i = 0; i < 2; i++)
        returns(pool,
                "select ($1::int8, $2::int2, $3::float8, $4::bool, $5::text, $6, $7 is null, $8)::text", params,
                "(-9223372036854775808,7,0.30000000000000004,t,\"a text\",\"\\\\x00ff\",t,42)");

    holdfast_params_clear(params);
    CHECK(holdfast_params_data(params) == NULL && holdfast_params_count(params) == 0);
    OK(holdfast_params_add_f64(params, INFINITY, &error));
    OK(holdfast_params_add_f64(params, -INFINITY, &error));
    OK(holdfast_params_add_f64(params, NAN, &error));
    OK(holdfast_params_add_f64(params, 1e300, &error));
    OK(holdfast_params_add_bool(params, 0, &error));
    OK(holdfast_params_add_text(params, "{1,2}", 5, &error));
    returns(pool, "select ($1::float8, $2::float8, $3::float8, $4::float8, $5::bool, $6::int[])::text", params,
            "(Infinity,-Infinity,NaN,1e+300,f,\"{1,2}\")");
    holdfast_params_free(params);
}

static void what_can_be_no_parameter_is_refused_and_adds_nothing(void)
{
    holdfast_params *params = new_params();
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_UTF8, holdfast_params_add_text(params, "a\0b", 3, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_params_add_text(params, "\xff", 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_params_add_text(params, NULL, 3, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_params_add_bytes(params, NULL, 3, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_params_add(params, "1", 1, 0, HOLDFAST_FORMAT_AUTOMATIC, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_params_add_i64(NULL, 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_params_new(NULL, &error));
    CHECK(holdfast_params_count(params) == 0 && holdfast_params_count(NULL) == 0 && holdfast_params_data(NULL) == NULL);
    for (int i = 0; i < 65535; i++)
        OK(holdfast_params_add_i64(params, i, &error));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_params_add_i64(params, 0, &error));
    CHECK(holdfast_params_count(params) == 65535);
    holdfast_params_clear(NULL);
    holdfast_params_free(params);
    holdfast_params_free(NULL);
}

static bool info_is(holdfast_connection *connection, int32_t what, const char *wanted)
{
    holdfast_text *value;
    holdfast_error *error;

    OK(holdfast_connection_info(connection, what, &value, &error));
    bool same = wanted == NULL ? value == NULL : value != NULL && is(holdfast_text_view(value), wanted);
    holdfast_text_free(value);
    return same;
}

static bool parameter_is(holdfast_connection *connection, const char *name, const char *wanted)
{
    holdfast_text *value;
    holdfast_error *error;

    OK(holdfast_connection_parameter(connection, name, HOLDFAST_NUL, &value, &error));
    bool same = wanted == NULL ? value == NULL : value != NULL && is(holdfast_text_view(value), wanted);
    holdfast_text_free(value);
    return same;
}

static void a_connection_knows_whose_it_is_and_what_the_server_reported(holdfast_pool *pool)
{
    holdfast_connection *connection = acquire(pool);
    holdfast_result *result;
    holdfast_text *value;
    holdfast_str version, user;
    holdfast_error *error;

    OK(holdfast_connection_query(connection, "select current_setting('server_version'), current_user", HOLDFAST_NUL, NULL, 0,
                                 HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_text(result, 0, 0, &version, &error));
    OK(holdfast_result_text(result, 0, 1, &user, &error));
    CHECK(parameter_is(connection, "server_version", version.ptr));
    CHECK(info_is(connection, HOLDFAST_INFO_USER, user.ptr) && info_is(connection, HOLDFAST_INFO_DBNAME, "postgres"));
    holdfast_result_free(result);
    CHECK(info_is(connection, HOLDFAST_INFO_TLS_VERSION, NULL) && info_is(connection, HOLDFAST_INFO_TLS_CIPHER, NULL));
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_connection_info(connection, 99, &value, &error));
    CHECK(value == NULL);

    script(connection, "set timezone = 'Europe/Zurich'; set application_name = 'told'");
    CHECK(parameter_is(connection, "TimeZone", "Europe/Zurich") && parameter_is(connection, "application_name", "told"));
    CHECK(parameter_is(connection, "work_mem", NULL) && parameter_is(connection, "timezone", NULL));
    holdfast_connection_discard(connection);
}

/* What the preamble says of readers that cannot take a struct back: where it holds, ptr is in the register of a pointer. */
static void a_text_may_be_declared_as_a_pointer(void)
{
#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(_WIN32)
    union {
        holdfast_str (*as_struct)(void);
        const char *(*as_pointer)(void);
    } version = {.as_struct = holdfast_version};
    CHECK(strcmp(version.as_pointer(), version.as_struct().ptr) == 0);
#endif
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;

    CHECK(argc == 2);
    pool = open_pool(argv[1], "2");
    every_kind_of_value_goes_to_the_server_as_it_is(pool);
    what_can_be_no_parameter_is_refused_and_adds_nothing();
    a_connection_knows_whose_it_is_and_what_the_server_reported(pool);
    a_text_may_be_declared_as_a_pointer();
    holdfast_pool_free(pool);
    return 0;
}
