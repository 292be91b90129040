/* Statements with parameters, results in every format, scripts, notices, notifications. */
#include "../check.h"

#include <math.h>
#include <poll.h>

static holdfast_result *run(holdfast_connection *connection, const char *sql, const holdfast_param *params, size_t n,
                            int32_t format)
{
    holdfast_result *result;
    holdfast_error *error;
    OK(holdfast_connection_query(connection, sql, HOLDFAST_NUL, params, n, format, &result, &error));
    return result;
}

static void parameters_travel_as_text_and_as_binary(holdfast_connection *connection)
{
    static const unsigned char seven[4] = {0, 0, 0, 7};
    holdfast_param params[4] = {
        {"41", HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT},
        {seven, sizeof seven, 23, HOLDFAST_FORMAT_BINARY},
        {NULL, 0, 25, HOLDFAST_FORMAT_TEXT},
        {"", 0, 25, HOLDFAST_FORMAT_TEXT},
    };
    holdfast_result *result =
        run(connection, "select $1::int + 1, $2 * 6, $3, $4", params, 4, HOLDFAST_FORMAT_TEXT);
    CHECK(holdfast_result_rows(result) == 1 && holdfast_result_columns(result) == 4);
    CHECK(strcmp((const char *)holdfast_result_cell(result, 0, 0).ptr, "42") == 0);
    CHECK(strcmp((const char *)holdfast_result_cell(result, 0, 1).ptr, "42") == 0);
    CHECK(holdfast_result_is_null(result, 0, 2) && holdfast_result_cell(result, 0, 2).ptr == NULL);
    CHECK(!holdfast_result_is_null(result, 0, 3) && holdfast_result_cell(result, 0, 3).len == 0);
    CHECK(holdfast_result_cell(result, 0, 3).ptr != NULL && holdfast_result_cell(result, 1, 0).ptr == NULL);
    CHECK(holdfast_result_is_null(result, 0, 4));
    holdfast_result_free(result);
}

static void values_are_read_by_type_in_every_format(holdfast_connection *connection)
{
    const char *sql = "select (-2)::int2, 3::int4, 4::int8, 5::oid, 1.5::float4, -2.5::float8, true, false, 'word'::text";
    for (int32_t format = HOLDFAST_FORMAT_TEXT; format <= HOLDFAST_FORMAT_AUTOMATIC; format++) {
        static const int64_t wanted[4] = {-2, 3, 4, 5};
        holdfast_result *result = run(connection, sql, NULL, 0, format);
        holdfast_error *error;
        int64_t integer;
        double number;
        bool truth;
        holdfast_str text;
        for (size_t i = 0; i < 4; i++) {
            OK(holdfast_result_i64(result, 0, i, &integer, &error));
            OK(holdfast_result_f64(result, 0, i, &number, &error));
            CHECK(integer == wanted[i] && fabs(number - (double)wanted[i]) < 1e-9);
        }
        OK(holdfast_result_f64(result, 0, 4, &number, &error));
        CHECK(fabs(number - 1.5) < 1e-9);
        OK(holdfast_result_f64(result, 0, 5, &number, &error));
        CHECK(fabs(number + 2.5) < 1e-9);
        OK(holdfast_result_bool(result, 0, 6, &truth, &error));
        CHECK(truth);
        OK(holdfast_result_bool(result, 0, 7, &truth, &error));
        CHECK(!truth);
        OK(holdfast_result_text(result, 0, 8, &text, &error));
        CHECK(is(text, "word"));
        FAILS(HOLDFAST_STATUS_TYPE, holdfast_result_i64(result, 0, 8, &integer, &error));
        FAILS(HOLDFAST_STATUS_TYPE, holdfast_result_f64(result, 0, 8, &number, &error));
        FAILS(HOLDFAST_STATUS_TYPE, holdfast_result_bool(result, 0, 0, &truth, &error));
        FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_result_i64(result, 1, 0, &integer, &error));
        FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_result_i64(result, 0, 9, &integer, &error));
        FAILS(HOLDFAST_STATUS_NULL, holdfast_result_i64(result, 0, 0, NULL, &error));
        OK(holdfast_result_text(result, 0, 5, &text, &error));
        CHECK(is(text, "-2.5"));
        holdfast_result_free(result);
    }
    holdfast_result *result = run(connection, "select null, 12345678901234567890, 'NaN'::float8", NULL, 0, 0);
    holdfast_error *error;
    int64_t integer = 1;
    double number;
    FAILS(HOLDFAST_STATUS_IS_NULL, holdfast_result_i64(result, 0, 0, &integer, &error));
    FAILS(HOLDFAST_STATUS_TYPE, holdfast_result_i64(result, 0, 1, &integer, &error));
    OK(holdfast_result_f64(result, 0, 1, &number, &error));
    CHECK(number > 1e19 && integer == 1);
    OK(holdfast_result_f64(result, 0, 2, &number, &error));
    CHECK(isnan(number));
    holdfast_result_free(result);
}

static void text_is_what_the_server_prints_in_every_format(holdfast_connection *connection)
{
    static const char sql[] =
        "select true, (-7)::int2, 8, 9::int8, 10::oid, 1.1::float4, 1e23::float8, '\\x00ff'::bytea, "
        "'2026-11-23'::date, '0044-03-15 12:00:00.25 BC'::timestamp, '2026-11-23 12:00+00'::timestamptz, "
        "'6f2d1a3e-0000-4000-8000-0123456789ab'::uuid, -0.00100::numeric, '1 day -00:00:01'::interval, '[1, 2]'::jsonb, "
        "'::ffff:1.2.3.4'::inet, '12:30+02'::timetz, 'word'::text";
    for (int i = 0; i < 2; i++) {
        holdfast_error *error;
        OK(holdfast_connection_script(connection, i ? "set timezone to 'Asia/Tokyo'" : "set timezone to 'UTC'",
                                      HOLDFAST_NUL, NULL, &error));
        holdfast_result *printed = run(connection, sql, NULL, 0, HOLDFAST_FORMAT_TEXT);
        holdfast_result *automatic = run(connection, sql, NULL, 0, HOLDFAST_FORMAT_AUTOMATIC);
        holdfast_result *binary = run(connection, sql, NULL, 0, HOLDFAST_FORMAT_BINARY);
        const size_t columns = holdfast_result_columns(printed);
        CHECK(columns == 18);
        for (size_t c = 0; c < columns; c++) {
            holdfast_str wanted, once, again;
            OK(holdfast_result_text(printed, 0, c, &wanted, &error));
            OK(holdfast_result_text(automatic, 0, c, &once, &error));
            CHECK(is(once, wanted.ptr));
            OK(holdfast_result_text(automatic, 0, c, &again, &error));
            CHECK(again.ptr == once.ptr && again.len == once.len);
            if (i == 1 && c == 10) {
                /* The zone's rules are the server's. */
                FAILS(HOLDFAST_STATUS_TYPE, holdfast_result_text(binary, 0, c, &once, &error));
                continue;
            }
            OK(holdfast_result_text(binary, 0, c, &once, &error));
            CHECK(is(once, wanted.ptr));
        }
        holdfast_result_free(printed);
        holdfast_result_free(automatic);
        holdfast_result_free(binary);
    }
    holdfast_result *result = run(connection, "select array[1], null::int4", NULL, 0, HOLDFAST_FORMAT_BINARY);
    holdfast_str text = {"kept", 4};
    holdfast_error *error;
    FAILS(HOLDFAST_STATUS_TYPE, holdfast_result_text(result, 0, 0, &text, &error));
    FAILS(HOLDFAST_STATUS_IS_NULL, holdfast_result_text(result, 0, 1, &text, &error));
    CHECK(is(text, "kept"));
    holdfast_result_free(result);
}

static void columns_are_described(holdfast_connection *connection)
{
    holdfast_column column = {.struct_size = sizeof column};
    holdfast_result *result = run(connection, "create temp table told (a int, b varchar(7))", NULL, 0, 0);
    CHECK(holdfast_result_columns(result) == 0 && is(holdfast_result_command_tag(result), "CREATE TABLE"));
    CHECK(holdfast_result_rows_affected(result) == 0);
    holdfast_result_free(result);

    result = run(connection, "insert into told values (1, 'x'), (2, 'y')", NULL, 0, 0);
    CHECK(is(holdfast_result_command_tag(result), "INSERT 0 2") && holdfast_result_rows_affected(result) == 2);
    holdfast_result_free(result);

    result = run(connection, "select b as other, a, 1 from told", NULL, 0, HOLDFAST_FORMAT_AUTOMATIC);
    CHECK(holdfast_result_rows(result) == 2 && holdfast_result_rows_affected(result) == 2);
    CHECK(holdfast_result_column(result, 0, &column));
    CHECK(is(column.name, "other") && column.type_oid == 1043 && column.type_modifier == 11);
    CHECK(column.type_size == -1 && column.table_oid != 0 && column.column_number == 2);
    CHECK(column.format == HOLDFAST_FORMAT_TEXT);
    CHECK(holdfast_result_column(result, 1, &column));
    CHECK(is(column.name, "a") && column.type_oid == 23 && column.type_size == 4 && column.type_modifier == -1);
    CHECK(column.format == HOLDFAST_FORMAT_BINARY && column.column_number == 1);
    CHECK(holdfast_result_column(result, 2, &column) && column.table_oid == 0 && column.column_number == 0);
    CHECK(!holdfast_result_column(result, 3, &column));
    holdfast_result_free(result);
}

static void a_script_gives_a_result_for_each_statement(holdfast_connection *connection)
{
    holdfast_results *results;
    holdfast_result *kept;
    holdfast_error *error;
    OK(holdfast_connection_script(connection, "select 1; select 2 union all select 3; begin; commit", HOLDFAST_NUL,
                                  &results, &error));
    CHECK(holdfast_results_count(results) == 4);
    CHECK(holdfast_result_rows(holdfast_results_get(results, 1)) == 2);
    CHECK(is(holdfast_result_command_tag(holdfast_results_get(results, 2)), "BEGIN"));
    CHECK(holdfast_results_get(results, 4) == NULL);
    kept = holdfast_result_clone(holdfast_results_get(results, 0));
    holdfast_results_free(results);
    CHECK(strcmp((const char *)holdfast_result_cell(kept, 0, 0).ptr, "1") == 0);
    holdfast_result_free(kept);
    FAILS(HOLDFAST_STATUS_DATABASE,
          holdfast_connection_script(connection, "select 1; select wrong", HOLDFAST_NUL, &results, &error));
    CHECK(results == NULL);
}

static void notices_are_collected(holdfast_connection *connection)
{
    holdfast_notices *notices;
    holdfast_error *error;
    OK(holdfast_connection_notices(connection, &notices, &error));
    CHECK(notices == NULL);
    OK(holdfast_connection_script(connection, "do $$begin raise notice 'one'; raise warning 'two'; end$$",
                                  HOLDFAST_NUL, NULL, &error));
    OK(holdfast_connection_notices(connection, &notices, &error));
    CHECK(holdfast_notices_count(notices) == 2);
    CHECK(is(holdfast_notices_field(notices, 0, HOLDFAST_FIELD_SEVERITY), "NOTICE"));
    CHECK(is(holdfast_notices_field(notices, 0, HOLDFAST_FIELD_MESSAGE), "one"));
    CHECK(is(holdfast_notices_field(notices, 1, HOLDFAST_FIELD_SEVERITY), "WARNING"));
    CHECK(is(holdfast_notices_field(notices, 2, HOLDFAST_FIELD_MESSAGE), ""));
    holdfast_notices_free(notices);
}

static void notifications_arrive_and_waiting_for_them_ends(holdfast_pool *pool, holdfast_connection *connection)
{
    holdfast_connection *sender;
    holdfast_notification *notification;
    holdfast_error *error;
    OK(holdfast_connection_script(connection, "listen news", HOLDFAST_NUL, NULL, &error));
    OK(holdfast_connection_notification(connection, 20, &notification, &error));
    CHECK(notification == NULL);
    struct pollfd socket = {.fd = holdfast_connection_socket(connection), .events = POLLIN};
    CHECK(socket.fd >= 0 && holdfast_connection_socket(NULL) == -1);
    CHECK(poll(&socket, 1, 50) == 0);
    OK(holdfast_pool_acquire(pool, NULL, &sender, &error));
    OK(holdfast_connection_script(sender, "notify news, 'cold'", HOLDFAST_NUL, NULL, &error));
    CHECK(poll(&socket, 1, 5000) == 1);
    OK(holdfast_connection_notification(connection, 0, &notification, &error));
    CHECK(notification != NULL && is(holdfast_notification_payload(notification), "cold"));
    holdfast_notification_free(notification);
    OK(holdfast_connection_notification(connection, 0, &notification, &error));
    CHECK(notification == NULL && poll(&socket, 1, 0) == 0);
    OK(holdfast_connection_script(sender, "notify news, 'hot'", HOLDFAST_NUL, NULL, &error));
    OK(holdfast_connection_notification(connection, 5000, &notification, &error));
    CHECK(notification != NULL && is(holdfast_notification_channel(notification), "news"));
    CHECK(is(holdfast_notification_payload(notification), "hot"));
    CHECK(holdfast_notification_backend_pid(notification) == holdfast_connection_backend_pid(sender));
    holdfast_notification_free(notification);
    holdfast_connection_release(sender);
}

static void a_pool_query_checks_out_and_gives_back(holdfast_pool *pool)
{
    holdfast_result *result;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};
    OK(holdfast_pool_query(pool, NULL, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    CHECK(holdfast_result_rows(result) == 1);
    holdfast_result_free(result);
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.in_use == 0 && stats.idle == 1);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    a_pool_query_checks_out_and_gives_back(pool);
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    parameters_travel_as_text_and_as_binary(connection);
    values_are_read_by_type_in_every_format(connection);
    text_is_what_the_server_prints_in_every_format(connection);
    columns_are_described(connection);
    a_script_gives_a_result_for_each_statement(connection);
    notices_are_collected(connection);
    notifications_arrive_and_waiting_for_them_ends(pool, connection);
    holdfast_connection_discard(connection);
    holdfast_pool_free(pool);
    return 0;
}
