/* Prepared statements: what they know, and that they run wherever there is a connection. */
#include "../check.h"

#include <pthread.h>

static holdfast_statement *prepare(holdfast_connection *connection, const char *sql)
{
    holdfast_statement *statement;
    holdfast_error *error;
    OK(holdfast_connection_prepare(connection, sql, HOLDFAST_NUL, NULL, 0, &statement, &error));
    return statement;
}

static int64_t number(holdfast_result *result)
{
    holdfast_error *error;
    int64_t value;
    OK(holdfast_result_i64(result, 0, 0, &value, &error));
    holdfast_result_free(result);
    return value;
}

static void a_statement_knows_its_parameters_and_columns(holdfast_connection *connection)
{
    static const uint32_t types[2] = {20, 0};
    const char *sql = "select $1 + 1 as next, $2::varchar(7) as word";
    holdfast_statement *statement, *further;
    holdfast_column column = {.struct_size = sizeof column};
    holdfast_error *error;

    OK(holdfast_connection_prepare(connection, sql, HOLDFAST_NUL, types, 2, &statement, &error));
    further = holdfast_statement_clone(statement);
    holdfast_statement_free(statement);
    CHECK(holdfast_statement_parameters(further) == 2);
    CHECK(holdfast_statement_parameter_type(further, 0) == 20);
    CHECK(holdfast_statement_parameter_type(further, 1) == 1043);
    CHECK(holdfast_statement_parameter_type(further, 2) == 0);
    CHECK(holdfast_statement_columns(further) == 2);
    CHECK(holdfast_statement_column(further, 0, &column) && is(column.name, "next") && column.type_oid == 20);
    CHECK(holdfast_statement_column(further, 1, &column) && is(column.name, "word"));
    CHECK(column.type_modifier == 11 && column.format == HOLDFAST_FORMAT_TEXT);
    CHECK(!holdfast_statement_column(further, 2, &column));
    CHECK(is(holdfast_statement_text(further), sql));
    holdfast_statement_free(further);

    statement = prepare(connection, "set work_mem = '4MB'");
    CHECK(holdfast_statement_parameters(statement) == 0 && holdfast_statement_columns(statement) == 0);
    holdfast_statement_free(statement);
    FAILS(HOLDFAST_STATUS_DATABASE,
          holdfast_connection_prepare(connection, "select nowhere", HOLDFAST_NUL, NULL, 0, &statement, &error));
    CHECK(statement == NULL);
}

static void a_statement_runs_on_every_connection_of_every_pool(const char *url)
{
    static const unsigned char seven[4] = {0, 0, 0, 7};
    static const holdfast_param params[2] = {
        {"6", 1, 0, HOLDFAST_FORMAT_TEXT},
        {seven, sizeof seven, 23, HOLDFAST_FORMAT_BINARY},
    };
    holdfast_pool *pools[2];
    holdfast_connection *connection;
    holdfast_statement *statement;
    holdfast_result *result;
    holdfast_error *error;

    for (size_t i = 0; i < 2; i++)
        OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pools[i], &error));
    OK(holdfast_pool_acquire(pools[0], NULL, &connection, &error));
    statement = prepare(connection, "select $1::int4 * $2::int4");
    for (int32_t format = HOLDFAST_FORMAT_TEXT; format <= HOLDFAST_FORMAT_AUTOMATIC; format++) {
        OK(holdfast_connection_execute(connection, statement, params, 2, format, &result, &error));
        CHECK(number(result) == 42);
    }
    holdfast_connection_discard(connection);
    for (size_t i = 0; i < 4; i++) {
        OK(holdfast_pool_execute(pools[i % 2], NULL, statement, params, 2, HOLDFAST_FORMAT_BINARY, &result, &error));
        CHECK(number(result) == 42);
    }
    holdfast_pool_free(pools[0]);
    OK(holdfast_pool_execute(pools[1], NULL, statement, params, 2, HOLDFAST_FORMAT_BINARY, &result, &error));
    CHECK(number(result) == 42);
    holdfast_pool_free(pools[1]);
    CHECK(holdfast_statement_parameters(statement) == 2);
    holdfast_statement_free(statement);
}

static void a_statement_survives_a_changed_table(holdfast_connection *connection)
{
    holdfast_statement *statement;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_column column = {.struct_size = sizeof column};

    script(connection, "create temp table changing (a int); insert into changing values (5)");
    statement = prepare(connection, "select * from changing");
    OK(holdfast_connection_execute(connection, statement, NULL, 0, HOLDFAST_FORMAT_AUTOMATIC, &result, &error));
    CHECK(holdfast_result_columns(result) == 1 && number(result) == 5);
    script(connection, "alter table changing add column b text default 'new'");
    OK(holdfast_connection_execute(connection, statement, NULL, 0, HOLDFAST_FORMAT_AUTOMATIC, &result, &error));
    CHECK(holdfast_result_columns(result) == 2 && holdfast_result_column(result, 1, &column));
    CHECK(is(column.name, "b") && holdfast_statement_columns(statement) == 1);
    CHECK(number(result) == 5);
    script(connection, "deallocate all");
    OK(holdfast_connection_execute(connection, statement, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    CHECK(number(result) == 5);
    holdfast_statement_free(statement);
}

static void what_does_not_fit_a_statement_is_refused(holdfast_pool *pool, holdfast_connection *connection)
{
    holdfast_param param = {"1", 1, 25, HOLDFAST_FORMAT_TEXT};
    holdfast_statement *statement = prepare(connection, "select $1::int4"), *none;
    holdfast_result *result;
    holdfast_error *error;
    size_t wanted, given;
    void *as_if = pool;

    CHECK(holdfast_connection_execute(connection, statement, &param, 1, 0, &result, &error) == HOLDFAST_STATUS_ARGUMENT);
    CHECK(result == NULL && has(holdfast_error_message(error), "params[0].type_oid is 25"));
    holdfast_error_free(error);
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_execute(pool, NULL, statement, &param, 1, 0, &result, &error));
    CHECK(holdfast_connection_execute(connection, statement, NULL, 0, 0, &result, &error) == HOLDFAST_STATUS_MISUSE);
    CHECK(holdfast_error_parameter_count(error, &wanted, &given) && wanted == 1 && given == 0);
    CHECK(holdfast_error_parameter_count(error, NULL, NULL));
    holdfast_error_free(error);
    wanted = 7;
    CHECK(holdfast_connection_query(connection, "selec", 5, &param, 1, 0, &result, &error) == HOLDFAST_STATUS_DATABASE);
    CHECK(!holdfast_error_parameter_count(error, &wanted, &given) && wanted == 7);
    holdfast_error_free(error);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_execute(connection, NULL, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_execute(pool, NULL, NULL, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_execute(NULL, NULL, statement, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_execute(NULL, statement, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_execute(connection, statement, NULL, 0, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_execute(connection, as_if, NULL, 0, 0, &result, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_prepare(NULL, "", 0, NULL, 0, &none, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_prepare(connection, "", 0, NULL, 1, &none, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_prepare(connection, "", 0, NULL, 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_connection_prepare(connection, "\xff", 1, NULL, 0, &none, &error));
    CHECK(holdfast_statement_parameters(NULL) == 0 && holdfast_statement_parameter_type(NULL, 0) == 0);
    CHECK(holdfast_statement_columns(NULL) == 0 && !holdfast_statement_column(NULL, 0, NULL));
    CHECK(is(holdfast_statement_text(NULL), "") && holdfast_statement_clone(NULL) == NULL);
    CHECK(holdfast_statement_parameters(as_if) == 0);
    holdfast_statement_free(NULL);
    holdfast_statement_free(as_if); /* left alone */
    param.type_oid = 23;
    OK(holdfast_pool_execute(pool, NULL, statement, &param, 1, 0, &result, &error));
    CHECK(number(result) == 1);
    holdfast_statement_free(statement);
}

struct shared {
    const holdfast_pool *pool;
    const holdfast_statement *statement;
};

static void *square_many(void *argument)
{
    struct shared *shared = argument;
    for (int i = 0; i < 100; i++) {
        char digits[16];
        holdfast_param param = {digits, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT};
        holdfast_result *result;
        holdfast_error *error;
        snprintf(digits, sizeof digits, "%d", i);
        OK(holdfast_pool_execute(shared->pool, NULL, shared->statement, &param, 1, HOLDFAST_FORMAT_BINARY, &result,
                                 &error));
        CHECK(number(result) == (int64_t)i * i);
    }
    return NULL;
}

static void threads_share_a_statement(holdfast_pool *pool, holdfast_connection *connection)
{
    holdfast_statement *statement = prepare(connection, "select $1::int8 * $1");
    struct shared shared = {pool, statement};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, square_many, &shared) == 0);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    holdfast_statement_free(statement);
}

static void without_a_cache_nothing_is_left_on_the_server(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_statement *statement;
    holdfast_result *result;
    holdfast_error *error;
    holdfast_param param = {"20", 2, 0, HOLDFAST_FORMAT_TEXT};

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "statement_cache", HOLDFAST_NUL, "0", 1, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    statement = prepare(connection, "select $1::int4 + 1");
    OK(holdfast_connection_execute(connection, statement, &param, 1, HOLDFAST_FORMAT_BINARY, &result, &error));
    CHECK(number(result) == 21);
    OK(holdfast_connection_query(connection, "select count(*) from pg_prepared_statements", HOLDFAST_NUL, NULL, 0, 0,
                                 &result, &error));
    CHECK(number(result) == 0);
    holdfast_statement_free(statement);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    holdfast_config_free(config);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    a_statement_knows_its_parameters_and_columns(connection);
    a_statement_runs_on_every_connection_of_every_pool(argv[1]);
    a_statement_survives_a_changed_table(connection);
    what_does_not_fit_a_statement_is_refused(pool, connection);
    threads_share_a_statement(pool, connection);
    without_a_cache_nothing_is_left_on_the_server(argv[1]);
    holdfast_connection_discard(connection);
    holdfast_pool_free(pool);
    return 0;
}
