/* Packs, decoded by nothing but what the header says about their layout. */
#include "../check.h"

#include <math.h>

/* A pack moved to memory of the test's own. */
typedef struct {
    unsigned char *bytes;
    holdfast_pack_header header;
} moved_pack;

static moved_pack move(const holdfast_result *result)
{
    holdfast_pack *pack;
    holdfast_error *error;
    OK(holdfast_result_pack(result, &pack, &error));
    const holdfast_cell data = holdfast_pack_data(pack);
    CHECK(data.ptr != NULL && (uintptr_t)data.ptr % 8 == 0 && data.len % 8 == 0);
    moved_pack moved;
    moved.bytes = malloc(data.len);
    CHECK(moved.bytes != NULL);
    memcpy(moved.bytes, data.ptr, data.len);
    holdfast_pack_free(pack);
    memcpy(&moved.header, moved.bytes, sizeof moved.header);
    CHECK(moved.header.magic == HOLDFAST_PACK_MAGIC && moved.header.version == HOLDFAST_PACK_VERSION);
    CHECK(moved.header.size == data.len && moved.header.column_size >= sizeof(holdfast_pack_column));
    CHECK(moved.header.rows == holdfast_result_rows(result));
    CHECK(moved.header.columns == holdfast_result_columns(result));
    return moved;
}

static holdfast_pack_column column_of(const moved_pack *pack, uint32_t index)
{
    holdfast_pack_column column;
    const size_t at = pack->header.columns_at + (size_t)index * pack->header.column_size;
    CHECK(at + sizeof column <= pack->header.size);
    memcpy(&column, pack->bytes + at, sizeof column);
    CHECK(column.values_at % 8 == 0 && (size_t)column.values_at + column.values_len <= pack->header.size);
    CHECK(column.arena_at % 8 == 0 && (size_t)column.arena_at + column.arena_len <= pack->header.size);
    return column;
}

static bool is_null(const moved_pack *pack, const holdfast_pack_column *column, uint32_t row)
{
    if (!(column->flags & HOLDFAST_PACK_HAS_NULLS)) {
        CHECK(column->nulls_at == 0);
        return false;
    }
    CHECK(column->nulls_at % 8 == 0 && column->nulls_at + (row / 8) < pack->header.size);
    return (pack->bytes[column->nulls_at + row / 8] >> (row % 8)) & 1;
}

/* Copies value `row` of a kind of fixed width. */
static void fixed(const moved_pack *pack, const holdfast_pack_column *column, uint32_t row, void *to, size_t width)
{
    CHECK(column->values_len == pack->header.rows * width && column->arena_at == 0 && column->arena_len == 0);
    memcpy(to, pack->bytes + column->values_at + row * width, width);
}

static holdfast_cell varying(const moved_pack *pack, const holdfast_pack_column *column, uint32_t row)
{
    uint32_t places[2];
    CHECK(column->values_len == (pack->header.rows + 1) * sizeof places[0]);
    memcpy(places, pack->bytes + column->values_at + row * sizeof places[0], sizeof places);
    CHECK(places[0] <= places[1] && places[1] <= column->arena_len);
    const holdfast_cell cell = {pack->bytes + column->arena_at + places[0], places[1] - places[0]};
    return cell;
}

static holdfast_result *run(holdfast_connection *connection, const char *sql, int32_t format)
{
    holdfast_result *result;
    holdfast_error *error;
    OK(holdfast_connection_query(connection, sql, HOLDFAST_NUL, NULL, 0, format, &result, &error));
    return result;
}

static const char everything[] =
    "select n % 2 = 0 as truth, n::int2, -n as negative, n * 1000000007::int8, n::oid, (n + 1.1)::float4, n / 7.0::float8, "
    "'2000-01-01'::date + n, '2000-01-01'::timestamp + n * interval '0.25 s', '1970-01-01 00:00+00'::timestamptz, "
    "decode(repeat('00ff', n), 'hex'), repeat('ab', n) as word, 'ü' || n as umlaut, n * 0.001 as number, "
    "('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, case when n is not null then array[n] end "
    "from (select case when i % 3 = 2 then null else i end as n from generate_series(0, 99) i) s";

/* Values that are not numbers: the same as the result's own. */
static void compare_varying(const holdfast_result *result, const moved_pack *pack, uint32_t index)
{
    const holdfast_pack_column column = column_of(pack, index);
    for (uint32_t row = 0; row < pack->header.rows; row++) {
        const holdfast_cell cell = varying(pack, &column, row);
        holdfast_str text;
        holdfast_error *error;
        if (is_null(pack, &column, row)) {
            CHECK(holdfast_result_is_null(result, row, index) && cell.len == 0);
        } else if (column.kind == HOLDFAST_PACK_BYTES) {
            const holdfast_cell wanted = holdfast_result_cell(result, row, index);
            CHECK(cell.len == wanted.len && memcmp(cell.ptr, wanted.ptr, cell.len) == 0);
        } else {
            CHECK(column.kind == HOLDFAST_PACK_TEXT);
            OK(holdfast_result_text(result, row, index, &text, &error));
            CHECK(cell.len == text.len && memcmp(cell.ptr, text.ptr, cell.len) == 0);
        }
    }
}

static void numbers_are_read_from_where_the_header_says(holdfast_connection *connection)
{
    static const uint32_t kinds[16] = {
        HOLDFAST_PACK_BOOL,   HOLDFAST_PACK_I32,    HOLDFAST_PACK_I32,   HOLDFAST_PACK_I64,
        HOLDFAST_PACK_U32,    HOLDFAST_PACK_F64,    HOLDFAST_PACK_F64,   HOLDFAST_PACK_DAYS,
        HOLDFAST_PACK_MICROS, HOLDFAST_PACK_MICROS, HOLDFAST_PACK_BYTES, HOLDFAST_PACK_TEXT,
        HOLDFAST_PACK_TEXT,   HOLDFAST_PACK_TEXT,   HOLDFAST_PACK_TEXT,  HOLDFAST_PACK_TEXT,
    };
    holdfast_result *result = run(connection, everything, HOLDFAST_FORMAT_AUTOMATIC);
    const moved_pack pack = move(result);
    holdfast_pack_column columns[16];
    CHECK(pack.header.rows == 100 && pack.header.columns == 16);
    for (uint32_t i = 0; i < 16; i++) {
        columns[i] = column_of(&pack, i);
        CHECK(columns[i].kind == kinds[i]);
        CHECK(((columns[i].flags & HOLDFAST_PACK_HAS_NULLS) != 0) == (i != 9));
        CHECK(((columns[i].flags & HOLDFAST_PACK_ASCII) != 0) == (kinds[i] == HOLDFAST_PACK_TEXT && i != 12));
        if (kinds[i] >= HOLDFAST_PACK_TEXT)
            compare_varying(result, &pack, i);
    }
    for (uint32_t row = 0; row < 100; row++) {
        const bool null = row % 3 == 2;
        const int64_t n = null ? 0 : row;
        uint8_t truth;
        int32_t i32;
        int64_t i64;
        uint32_t u32;
        double f64, wanted;
        holdfast_error *error;
        for (uint32_t i = 0; i < 16; i++)
            CHECK(is_null(&pack, &columns[i], row) == (null && i != 9));
        fixed(&pack, &columns[0], row, &truth, sizeof truth);
        CHECK(truth == (!null && row % 2 == 0));
        fixed(&pack, &columns[1], row, &i32, sizeof i32);
        CHECK(i32 == n);
        fixed(&pack, &columns[2], row, &i32, sizeof i32);
        CHECK(i32 == -n);
        fixed(&pack, &columns[3], row, &i64, sizeof i64);
        CHECK(i64 == n * 1000000007);
        fixed(&pack, &columns[4], row, &u32, sizeof u32);
        CHECK(u32 == n);
        fixed(&pack, &columns[7], row, &i32, sizeof i32);
        CHECK(i32 == n);
        fixed(&pack, &columns[8], row, &i64, sizeof i64);
        CHECK(i64 == n * 250000);
        fixed(&pack, &columns[9], row, &i64, sizeof i64);
        CHECK(i64 == -946684800 * INT64_C(1000000));
        for (uint32_t i = 5; i < 7; i++) {
            fixed(&pack, &columns[i], row, &f64, sizeof f64);
            wanted = 0;
            if (!null)
                OK(holdfast_result_f64(result, row, i, &wanted, &error));
            CHECK(memcmp(&f64, &wanted, sizeof f64) == 0);
        }
    }
    free(pack.bytes);
    holdfast_result_free(result);
}

static void what_came_as_text_is_text(holdfast_connection *connection)
{
    holdfast_result *result = run(connection, everything, HOLDFAST_FORMAT_TEXT);
    const moved_pack pack = move(result);
    for (uint32_t i = 0; i < pack.header.columns; i++) {
        CHECK(column_of(&pack, i).kind == HOLDFAST_PACK_TEXT && column_of(&pack, i).format == HOLDFAST_FORMAT_TEXT);
        compare_varying(result, &pack, i);
    }
    free(pack.bytes);
    holdfast_result_free(result);
}

static void floats_and_infinities_are_kept(holdfast_connection *connection)
{
    holdfast_result *result = run(connection,
                                  "select 1.1::float4, 'NaN'::float4, '-0'::float8, 'infinity'::date, '-infinity'::date, "
                                  "'infinity'::timestamp, '-infinity'::timestamptz",
                                  HOLDFAST_FORMAT_AUTOMATIC);
    const moved_pack pack = move(result);
    holdfast_pack_column column = column_of(&pack, 0);
    double number;
    const double as_printed = 1.1;
    int32_t days[2];
    int64_t micros[2];
    fixed(&pack, &column, 0, &number, sizeof number);
    CHECK(memcmp(&number, &as_printed, sizeof number) == 0);
    column = column_of(&pack, 1);
    fixed(&pack, &column, 0, &number, sizeof number);
    CHECK(isnan(number));
    column = column_of(&pack, 2);
    fixed(&pack, &column, 0, &number, sizeof number);
    CHECK(signbit(number));
    for (uint32_t i = 0; i < 2; i++) {
        column = column_of(&pack, 3 + i);
        fixed(&pack, &column, 0, &days[i], sizeof days[i]);
        column = column_of(&pack, 5 + i);
        fixed(&pack, &column, 0, &micros[i], sizeof micros[i]);
    }
    CHECK(days[0] == INT32_MAX && days[1] == INT32_MIN && micros[0] == INT64_MAX && micros[1] == INT64_MIN);
    free(pack.bytes);
    holdfast_result_free(result);
}

static void names_and_tag_are_there(holdfast_connection *connection)
{
    holdfast_result *result = run(connection, "create temp table packed (a varchar(7))", HOLDFAST_FORMAT_AUTOMATIC);
    moved_pack pack = move(result);
    CHECK(pack.header.columns == 0 && pack.header.rows == 0);
    CHECK(pack.header.tag_len == 12 && strcmp((const char *)pack.bytes + pack.header.tag_at, "CREATE TABLE") == 0);
    free(pack.bytes);
    holdfast_result_free(result);

    result = run(connection, "select a as \"größe\", a from packed", HOLDFAST_FORMAT_AUTOMATIC);
    pack = move(result);
    CHECK(pack.header.columns == 2 && pack.header.rows == 0);
    CHECK(strcmp((const char *)pack.bytes + pack.header.tag_at, "SELECT 0") == 0);
    const holdfast_pack_column column = column_of(&pack, 0);
    CHECK(column.name_len == strlen("größe") && strcmp((const char *)pack.bytes + column.name_at, "größe") == 0);
    CHECK(column.type_oid == 1043 && column.type_modifier == 11 && column.type_size == -1);
    CHECK(column.table_oid != 0 && column.column_number == 1 && column.flags == HOLDFAST_PACK_ASCII);
    free(pack.bytes);
    holdfast_result_free(result);
}

static void a_pack_outlives_its_result(holdfast_connection *connection)
{
    holdfast_result *result = run(connection, "select 'kept'", HOLDFAST_FORMAT_AUTOMATIC);
    holdfast_pack *pack;
    holdfast_error *error;
    OK(holdfast_result_pack(result, &pack, &error));
    holdfast_result_free(result);
    const holdfast_cell data = holdfast_pack_data(pack);
    holdfast_pack_header header;
    memcpy(&header, data.ptr, sizeof header);
    CHECK(header.size == data.len && header.rows == 1);
    holdfast_pack_free(pack);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_result_pack(NULL, &pack, &error));
    CHECK(pack == NULL && holdfast_pack_data(NULL).ptr == NULL && holdfast_pack_data(NULL).len == 0);
    holdfast_pack_free(NULL);
}

/* Decoders in other languages have these numbers written out. */
static void the_layout_is_for_ever(void)
{
    CHECK(sizeof(holdfast_pack_header) == 48 && sizeof(holdfast_pack_column) == 64);
    CHECK(offsetof(holdfast_pack_header, version) == 4 && offsetof(holdfast_pack_header, size) == 8);
    CHECK(offsetof(holdfast_pack_header, rows) == 12 && offsetof(holdfast_pack_header, columns) == 16);
    CHECK(offsetof(holdfast_pack_header, columns_at) == 20 && offsetof(holdfast_pack_header, column_size) == 24);
    CHECK(offsetof(holdfast_pack_header, tag_at) == 28 && offsetof(holdfast_pack_header, tag_len) == 32);
    CHECK(offsetof(holdfast_pack_column, kind) == 4 && offsetof(holdfast_pack_column, flags) == 8);
    CHECK(offsetof(holdfast_pack_column, format) == 12 && offsetof(holdfast_pack_column, name_at) == 16);
    CHECK(offsetof(holdfast_pack_column, name_len) == 20 && offsetof(holdfast_pack_column, table_oid) == 24);
    CHECK(offsetof(holdfast_pack_column, column_number) == 28 && offsetof(holdfast_pack_column, type_size) == 32);
    CHECK(offsetof(holdfast_pack_column, type_modifier) == 36 && offsetof(holdfast_pack_column, nulls_at) == 40);
    CHECK(offsetof(holdfast_pack_column, values_at) == 44 && offsetof(holdfast_pack_column, values_len) == 48);
    CHECK(offsetof(holdfast_pack_column, arena_at) == 52 && offsetof(holdfast_pack_column, arena_len) == 56);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(argc > 1);
    the_layout_is_for_ever();
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_connection_script(connection, "set timezone to 'UTC'", HOLDFAST_NUL, NULL, &error));
    numbers_are_read_from_where_the_header_says(connection);
    what_came_as_text_is_text(connection);
    floats_and_infinities_are_kept(connection);
    names_and_tag_are_there(connection);
    a_pack_outlives_its_result(connection);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    return 0;
}
