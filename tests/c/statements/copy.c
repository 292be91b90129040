/* COPY in both directions: a hundred thousand rows there and back, and copies that fail or are given up. */
#include "../check.h"


static int64_t count(holdfast_connection *connection, const char *sql)
{
    holdfast_result *result;
    holdfast_error *error;
    int64_t value;
    OK(holdfast_connection_query(connection, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_i64(result, 0, 0, &value, &error));
    holdfast_result_free(result);
    return value;
}

static holdfast_copy_in *copy_in(holdfast_connection *connection, const char *sql)
{
    holdfast_copy_in *copy;
    holdfast_error *error;
    OK(holdfast_connection_copy_in(connection, sql, HOLDFAST_NUL, &copy, &error));
    return copy;
}

static holdfast_copy_out *copy_out(holdfast_connection *connection, const char *sql)
{
    holdfast_copy_out *copy;
    holdfast_error *error;
    OK(holdfast_connection_copy_out(connection, sql, HOLDFAST_NUL, &copy, &error));
    return copy;
}

/* The next row; {NULL, 0} at the end. */
static holdfast_cell next(holdfast_copy_out *copy)
{
    holdfast_cell data;
    holdfast_error *error;
    OK(holdfast_copy_out_read(copy, &data, &error));
    return data;
}

static void what_was_copied_in_comes_out_again(holdfast_connection *connection)
{
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_error *error;
    holdfast_cell data;
    const size_t many = as_many_as(100000);
    uint64_t rows = 7;
    char row[64];

    script(connection, "create temp table travelled (n int, word text)");
    in = copy_in(connection, "copy travelled from stdin");
    for (int n = 0; n < (int)many; n++) {
        int len = snprintf(row, sizeof row, "%d\trow number %d\n", n, n), cut = n % len;
        OK(holdfast_copy_in_write(in, row, (size_t)cut, &error)); /* anywhere in the row */
        OK(holdfast_copy_in_write(in, row + cut, (size_t)(len - cut), &error));
    }
    OK(holdfast_copy_in_finish(in, &rows, &error));
    CHECK(rows == many);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_write(in, "x", 1, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_finish(in, NULL, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_abort(in, "", 0, &error));
    holdfast_copy_in_free(in);

    out = copy_out(connection, "copy (select * from travelled order by n) to stdout");
    for (int n = 0; n < (int)many; n++) {
        int len = snprintf(row, sizeof row, "%d\trow number %d\n", n, n);
        data = next(out);
        CHECK(data.len == (size_t)len && strcmp((const char *)data.ptr, row) == 0);
        CHECK(holdfast_copy_out_rows(out) == 0);
    }
    data = next(out);
    CHECK(data.ptr == NULL && data.len == 0 && holdfast_copy_out_rows(out) == many);
    CHECK(next(out).ptr == NULL);
    holdfast_copy_out_free(out);
    CHECK(count(connection, "select count(*) from travelled") == (int64_t)many);
}

static void large_pieces_and_empty_ones_are_copied_too(holdfast_connection *connection)
{
    const size_t size = 5 * 1000 * 1000;
    char *large = malloc(size + 1);
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_error *error;
    holdfast_cell data;

    CHECK(large != NULL);
    memset(large, 'y', size);
    large[size] = '\n';
    script(connection, "create temp table heavy (word text)");
    in = copy_in(connection, "copy heavy from stdin");
    OK(holdfast_copy_in_write(in, large, size + 1, &error));
    OK(holdfast_copy_in_write(in, NULL, 0, &error));
    OK(holdfast_copy_in_write(in, "to the NUL\n", HOLDFAST_NUL, &error));
    OK(holdfast_copy_in_finish(in, NULL, &error));
    holdfast_copy_in_free(in);
    out = copy_out(connection, "copy heavy to stdout");
    data = next(out);
    CHECK(data.len == size + 1 && memcmp(data.ptr, large, size + 1) == 0);
    data = next(out);
    CHECK(strcmp((const char *)data.ptr, "to the NUL\n") == 0);
    CHECK(next(out).ptr == NULL && holdfast_copy_out_rows(out) == 2);
    holdfast_copy_out_free(out);
    free(large);
}

static void a_copy_that_fails_leaves_nothing_and_the_connection_usable(holdfast_connection *connection)
{
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_error *error;
    holdfast_cell data;
    holdfast_status status = HOLDFAST_STATUS_OK;
    uint64_t rows = 7;
    int read = 0;
    char wrong[10000];

    script(connection, "create temp table strict (n int primary key)");
    in = copy_in(connection, "copy strict from stdin");
    OK(holdfast_copy_in_write(in, "1\n2\n1\n", HOLDFAST_NUL, &error));
    CHECK(holdfast_copy_in_finish(in, &rows, &error) == HOLDFAST_STATUS_DATABASE && rows == 7);
    CHECK(is(holdfast_error_sqlstate(error), "23505"));
    holdfast_error_free(error);
    holdfast_copy_in_free(in);

    in = copy_in(connection, "copy strict from stdin"); /* refused long before the end of the data */
    memset(wrong, 'x', sizeof wrong - 1);
    wrong[sizeof wrong - 1] = '\n';
    for (int n = 0; n < 10000 && status == HOLDFAST_STATUS_OK; n++)
        status = holdfast_copy_in_write(in, wrong, sizeof wrong, &error);
    CHECK(status == HOLDFAST_STATUS_DATABASE && is(holdfast_error_sqlstate(error), "22P02"));
    holdfast_error_free(error);
    holdfast_copy_in_free(in);

    in = copy_in(connection, "copy strict from stdin");
    OK(holdfast_copy_in_write(in, "1\n2\n", HOLDFAST_NUL, &error));
    OK(holdfast_copy_in_abort(in, "second thoughts", HOLDFAST_NUL, &error));
    holdfast_copy_in_free(in);
    CHECK(count(connection, "select count(*) from strict") == 0);

    out = copy_out(connection, "copy (select 1 / (5000 - g) from generate_series(1, 10000) g) to stdout");
    while ((status = holdfast_copy_out_read(out, &data, &error)) == HOLDFAST_STATUS_OK) {
        CHECK(data.ptr != NULL);
        read++;
    }
    CHECK(status == HOLDFAST_STATUS_DATABASE && is(holdfast_error_sqlstate(error), "22012") && data.ptr == NULL);
    CHECK(read == 4999);
    holdfast_error_free(error);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_out_read(out, &data, &error)); /* and not the end */
    holdfast_copy_out_free(out);
    CHECK(count(connection, "select count(*) from strict") == 0);
}

static void what_is_no_copy_is_refused(holdfast_connection *connection)
{
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_result *result;
    holdfast_error *error;

    script(connection, "create temp table plain (n int)");
    FAILS(HOLDFAST_STATUS_DATABASE, holdfast_connection_copy_in(connection, "copy nowhere from stdin", HOLDFAST_NUL, &in, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_copy_in(connection, "select 1", HOLDFAST_NUL, &in, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_copy_in(connection, "copy plain to stdout", HOLDFAST_NUL, &in, &error));
    CHECK(in == NULL);
    FAILS(HOLDFAST_STATUS_DATABASE, holdfast_connection_copy_out(connection, "copy nowhere to stdout", HOLDFAST_NUL, &out, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_copy_out(connection, "select 1", HOLDFAST_NUL, &out, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_copy_out(connection, "copy plain from stdin", HOLDFAST_NUL, &out, &error));
    CHECK(out == NULL);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_query(connection, "copy plain from stdin", HOLDFAST_NUL, NULL, 0, 0, &result, &error));
    CHECK(count(connection, "select count(*) from plain") == 0);
}

static void a_copy_freed_half_way_makes_room_for_the_next_statement(holdfast_connection *connection)
{
    uint32_t pid = holdfast_connection_backend_pid(connection);
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_error *error;

    script(connection, "create temp table halves (n int)");
    for (int i = 0; i < 3; i++) {
        in = copy_in(connection, "copy halves from stdin");
        OK(holdfast_copy_in_write(in, "1\n2\n", HOLDFAST_NUL, &error));
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_script(connection, "select 1", 8, NULL, &error));
        holdfast_copy_in_free(in);
        CHECK(count(connection, "select count(*) from halves") == 0);
        out = copy_out(connection, "copy (select generate_series(1, 1000000000)) to stdout");
        CHECK(next(out).len == 2);
        FAILS(HOLDFAST_STATUS_MISUSE, holdfast_connection_script(connection, "select 1", 8, NULL, &error));
        holdfast_copy_out_free(out);
        CHECK(count(connection, "select count(*) from halves") == 0);
    }
    CHECK(holdfast_connection_backend_pid(connection) == pid);
}

static void a_forgotten_copy_does_not_keep_its_connection(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_error *error;
    holdfast_cell data, kept;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "1", 1, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    script(connection, "create table if not exists forgotten (n int)");
    in = copy_in(connection, "copy forgotten from stdin");
    OK(holdfast_copy_in_write(in, "1\n", 2, &error));
    holdfast_connection_release(connection);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_write(in, "1\n", 2, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_finish(in, NULL, &error));

    OK(holdfast_pool_acquire(pool, NULL, &connection, &error)); /* the only one there is */
    CHECK(count(connection, "select count(*) from forgotten") == 0);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_finish(in, NULL, &error));
    out = copy_out(connection, "copy (select generate_series(1, 1000000000)) to stdout");
    kept = next(out);
    holdfast_connection_release(connection);
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_out_read(out, &data, &error));
    CHECK(data.ptr == NULL && strcmp((const char *)kept.ptr, "1\n") == 0);
    holdfast_copy_out_free(out);
    holdfast_copy_in_free(in);
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    CHECK(count(connection, "select count(*) from forgotten") == 0);
    script(connection, "drop table forgotten");
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
}

static void misuse_of_a_copy_is_an_error(holdfast_connection *connection)
{
    holdfast_copy_in *in;
    holdfast_copy_out *out;
    holdfast_error *error;
    holdfast_cell data;
    void *as_if = connection;

    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_copy_in(NULL, "", 0, &in, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_copy_in(connection, "", 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_copy_out(NULL, "", 0, &out, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_connection_copy_out(connection, "", 0, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_copy_in_write(NULL, "", 0, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_copy_in_finish(NULL, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_copy_in_abort(NULL, "", 0, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_copy_out_read(NULL, &data, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_in_write(as_if, "", 0, &error));
    FAILS(HOLDFAST_STATUS_MISUSE, holdfast_copy_out_read(as_if, &data, &error));
    CHECK(holdfast_copy_out_rows(NULL) == 0 && holdfast_copy_out_rows(as_if) == 0);
    holdfast_copy_in_free(NULL);
    holdfast_copy_out_free(NULL);
    holdfast_copy_in_free(as_if); /* left alone */
    holdfast_copy_out_free(as_if);

    script(connection, "create temp table misused (n int)");
    in = copy_in(connection, "copy misused from stdin");
    FAILS(HOLDFAST_STATUS_NULL, holdfast_copy_in_write(in, NULL, 1, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_copy_in_abort(in, "\xff", 1, &error));
    FAILS(HOLDFAST_STATUS_UTF8, holdfast_copy_in_abort(in, "a\0b", 3, &error));
    OK(holdfast_copy_in_write(in, "5\n", 2, &error)); /* none of it has ended the copy */
    OK(holdfast_copy_in_finish(in, NULL, &error));
    holdfast_copy_in_free(in);
    out = copy_out(connection, "copy misused to stdout");
    FAILS(HOLDFAST_STATUS_NULL, holdfast_copy_out_read(out, NULL, &error));
    CHECK(strcmp((const char *)next(out).ptr, "5\n") == 0);
    holdfast_copy_out_free(out);
    CHECK(count(connection, "select count(*) from misused") == 1);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_error *error;

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    what_was_copied_in_comes_out_again(connection);
    large_pieces_and_empty_ones_are_copied_too(connection);
    a_copy_that_fails_leaves_nothing_and_the_connection_usable(connection);
    what_is_no_copy_is_refused(connection);
    a_copy_freed_half_way_makes_room_for_the_next_statement(connection);
    a_forgotten_copy_does_not_keep_its_connection(argv[1]);
    misuse_of_a_copy_is_an_error(connection);
    holdfast_connection_discard(connection);
    holdfast_pool_free(pool);
    return 0;
}
