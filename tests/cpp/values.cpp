// Parameters of every kind go in, values of every kind come out, and what cannot be read says so.
#include "check.hpp"

#include <list>
#if __cplusplus >= 202002L
#include <ranges>
#endif

using holdfast::bytes;
using std::literals::operator""sv;

enum class colour { red, green };

// Types of the program's own.
namespace holdfast {

template <>
class parameter<colour> {
public:
    explicit parameter(colour it) noexcept : name_(it == colour::red ? "red" : "green") {}
    holdfast_param get() const noexcept { return {name_, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT}; }

private:
    const char *name_;
};

template <>
struct reader<colour> {
    static colour read(const value &from) { return from.as<std::string_view>() == "red" ? colour::red : colour::green; }
};

} // namespace holdfast

#if __cplusplus >= 202002L
static_assert(std::ranges::random_access_range<const holdfast::result &> && std::ranges::sized_range<holdfast::result_ref>);
static_assert(std::ranges::random_access_range<const holdfast::row &>);
static_assert(std::ranges::input_range<holdfast::stream &>);
static_assert(std::ranges::input_range<decltype(std::declval<holdfast::stream &>().portions(1))>);
#endif

/* What comes back of a parameter, as the server prints it. */
template <class T>
std::optional<std::string> echoed(holdfast::connection_ref c, const char *type, const T &given)
{
    const holdfast::result result = c.query("select $1::" + std::string(type) + "::text", given);
    return result.one().as<std::optional<std::string>>();
}

static void parameters_arrive_as_what_they_are(holdfast::connection_ref c)
{
    CHECK(echoed(c, "int", 42) == "42" && echoed(c, "int", -7) == "-7");
    CHECK(echoed(c, "bigint", std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
    CHECK(echoed(c, "numeric", std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
    CHECK(echoed(c, "smallint", std::int8_t{-5}) == "-5" && echoed(c, "smallint", std::uint8_t{250}) == "250");
    CHECK(echoed(c, "float8", 0.1) == "0.1" && echoed(c, "float4", 1.5f) == "1.5");
    CHECK(echoed(c, "float8", std::numeric_limits<double>::infinity()) == "Infinity");
    CHECK(echoed(c, "float8", std::numeric_limits<double>::quiet_NaN()) == "NaN");
    CHECK(echoed(c, "float8", std::numeric_limits<double>::lowest()) == "-1.7976931348623157e+308");
    CHECK(echoed(c, "bool", true) == "true" && echoed(c, "bool", false) == "false");

    char buffer[16] = "short";
    CHECK(echoed(c, "text", "literal") == "literal" && echoed(c, "text", buffer) == "short");
    CHECK(echoed(c, "text", std::string("heap")) == "heap" && echoed(c, "text", "cut here"sv.substr(0, 3)) == "cut");
    CHECK(echoed(c, "text", "") == "" && echoed(c, "text", std::string_view()) == "");
    CHECK(echoed(c, "text", colour::green) == "green");

    const std::vector<unsigned char> some = {0, 1, 255};
    const std::array<std::byte, 2> two = {std::byte{0xab}, std::byte{0xcd}};
    CHECK(echoed(c, "bytea", some) == "\\x0001ff" && echoed(c, "bytea", two) == "\\xabcd");
    CHECK(echoed(c, "bytea", bytes("\0x", 2)) == "\\x0078" && echoed(c, "bytea", bytes()) == "\\x");

    CHECK(c.query("select pg_typeof($1)", holdfast::typed(20, 5)).one().as<std::string>() == "bigint");
    CHECK(c.query("select $1 || $2", holdfast::typed(25, "a"), holdfast::typed(25, "b")).one().as<std::string>() == "ab");
    const holdfast_param raw = {"9", HOLDFAST_NUL, 23, HOLDFAST_FORMAT_TEXT};
    CHECK(c.query("select $1 + 1", raw).one().as<int>() == 10);
    CHECK(c.query("select $1::int, $2::text, $3::bool, $4::float8", 1, "two", true, 4.0).one().size() == 4);
}

static void vectors_arrive_as_arrays(holdfast::connection_ref c)
{
    CHECK(echoed(c, "int[]", std::vector<int>{1, -2, 3}) == "{1,-2,3}" && echoed(c, "int[]", std::vector<int>{}) == "{}");
    CHECK(echoed(c, "bool[]", std::vector<bool>{true, false}) == "{t,f}");
    CHECK(echoed(c, "text[]", std::vector<std::string>{"a", "", "b \"c\" \\d", "NULL", "e,{f}"})
          == R"({a,"","b \"c\" \\d","NULL","e,{f}"})");
    CHECK(echoed(c, "int[]", std::vector<std::optional<int>>{4, std::nullopt}) == "{4,NULL}");
    const std::vector<std::int64_t> wanted = {2, 3, 5};
    CHECK(c.query("select count(*) from generate_series(1, 10) as n where n = any($1)", wanted).one().as<int>() == 3);
}

static void texts_are_quoted_for_statements_without_parameters(holdfast::connection_ref c)
{
    for (const std::string text : {"", "it's", "back\\slash", "\"both\" 'kinds'", "$1; drop table x"}) {
        CHECK(c.query("select " + holdfast::quote_literal(text)).one().as<std::string>() == text);
        if (!text.empty()) {
            const auto named = c.query("select 1 as " + holdfast::quote_identifier(text));
            CHECK(named.find_column(text) == std::size_t{0} && !named.find_column("another"));
        }
    }
    FAILS(holdfast::status::utf8, holdfast::quote_literal(std::string_view("a\0b", 3)));
    c.ping();
    CHECK(c.dropped_messages() == 0);
}

static void times_go_in_and_come_out(holdfast::connection_ref c)
{
    using clock = std::chrono::system_clock;
    using std::chrono::microseconds;
    c.query("set timezone to 'UTC'");
    const auto at = clock::time_point(std::chrono::seconds(1700000000)) + microseconds(123456);
    CHECK(echoed(c, "timestamptz", at) == "2023-11-14 22:13:20.123456+00");
    CHECK(echoed(c, "timestamptz", clock::time_point(std::chrono::seconds(-1))) == "1969-12-31 23:59:59+00");
    CHECK(echoed(c, "interval", std::chrono::minutes(-90)) == "-01:30:00");
    CHECK(echoed(c, "interval", std::chrono::duration<double>(1.5)) == "00:00:01.5");

    auto row = c.query("select $1::timestamptz, '2000-01-01'::timestamp, 'infinity'::timestamptz, 5", at).one();
    CHECK(row[0].as<clock::time_point>() == at);
    CHECK(row[1].as<clock::time_point>() == clock::time_point(std::chrono::seconds(946684800)));
    FAILS(holdfast::status::type, row[2].as<clock::time_point>());
    FAILS(holdfast::status::type, row[3].as<clock::time_point>());
    CHECK(row[0].as<std::optional<clock::time_point>>() == at);
}

static void an_optional_without_a_value_is_null_in_both_directions(holdfast::connection_ref c)
{
    const char *nowhere = nullptr;
    CHECK(!echoed(c, "text", std::nullopt) && !echoed(c, "text", nullptr) && !echoed(c, "text", nowhere));
    CHECK(!echoed(c, "int", std::optional<int>()) && echoed(c, "int", std::optional<int>(3)) == "3");
    CHECK(!echoed(c, "text", std::optional<std::string>()) && echoed(c, "text", std::optional("x"sv)) == "x");

    auto row = c.query("select null::int as nothing, 5 as something, null::bytea").one();
    CHECK(row[0].is_null() && !row["something"].is_null() && row[0].raw().data() == nullptr);
    CHECK(row["nothing"].as<std::optional<int>>() == std::nullopt);
    CHECK(row["something"].as<std::optional<int>>() == 5);
    CHECK(row[0].value_or(-1) == -1 && row[1].value_or(-1) == 5 && row[0].value_or(std::string("none")) == "none");
    FAILS(holdfast::status::is_null, row[0].as<int>());
    FAILS(holdfast::status::is_null, row[0].as<std::string_view>());
    FAILS(holdfast::status::is_null, row[2].as<bytes>());
    FAILS(holdfast::status::is_null, row[2].as<std::vector<std::byte>>());
}

static void values_are_read_as_the_types_they_are_asked_for(holdfast::connection_ref c)
{
    const std::string_view sql = "select 7::smallint, -8::int, 9000000000::bigint, 1.5::float8, 2.5::float4, "
                                 "12.25::numeric, true, 'grün'::text, '\\x00ff'::bytea, 'red', date '2026-11-23', 300";
    for (auto format : {holdfast::format::automatic, holdfast::format::text}) {
        auto result = c.query(format, sql);
        auto row = result.one();
        CHECK(row[0].as<int>() == 7 && row[0].as<std::uint8_t>() == 7 && row[0].as<double>() == 7.0);
        CHECK(row[1].as<int>() == -8 && row[1].as<std::int64_t>() == -8 && row[1].as<float>() == -8.0f);
        CHECK(row[2].as<std::int64_t>() == 9000000000 && row[2].as<std::uint64_t>() == 9000000000);
        CHECK(row[3].as<double>() == 1.5 && row[4].as<float>() == 2.5f && row[5].as<double>() == 12.25);
        CHECK(row[6].as<bool>() && row[7].as<std::string_view>() == "grün" && row[7].as<std::string>() == "grün");
        CHECK(row[7].as<std::string_view>().data()[5] == '\0');
        CHECK(row[8].as<std::vector<std::byte>>() == std::vector<std::byte>{std::byte{0}, std::byte{255}});
        CHECK(row[9].as<colour>() == colour::red);
        for (std::size_t i = 0; i < row.size(); i++) {
            const auto printed = c.query(holdfast::format::text, sql).one();
            CHECK(row[i].as<std::string>() == printed[i].raw().text());
        }
        FAILS(holdfast::status::type, row[1].as<unsigned>());
        FAILS(holdfast::status::type, row[2].as<int>());
        FAILS(holdfast::status::type, row[11].as<std::int8_t>());
        FAILS(holdfast::status::type, row[11].as<std::uint8_t>());
        FAILS(holdfast::status::type, row[7].as<int>());
        FAILS(holdfast::status::type, row[7].as<std::vector<std::byte>>());
        if (format == holdfast::format::text) {
            FAILS(holdfast::status::type, row[8].as<bytes>());
        } else {
            CHECK(row[8].as<bytes>().size() == 2 && row[8].as<bytes>()[1] == std::byte{255});
        }
    }
    for (const char *odd : {"\\x0", "\\xzz", "", "x00"}) {
        FAILS(holdfast::status::type,
              c.query(holdfast::format::text, "select $1::text", odd).one().as<std::vector<std::byte>>());
    }
    CHECK(c.query(holdfast::format::text, "select ''::bytea").one().as<std::vector<std::byte>>().empty());
}

static void rows_are_gone_through_and_taken_apart(holdfast::connection_ref c)
{
    auto result = c.query("select n as id, 'name ' || n as name, n as id from generate_series(1, $1) n", 3);
    CHECK(result.size() == 3 && result.columns() == 3 && !result.empty());
    CHECK(result.command_tag() == "SELECT 3" && result.rows_affected() == 3);

    int seen = 0;
    for (auto row : result) {
        auto [id, name, again] = row.as<int, std::string_view, std::optional<long>>();
        CHECK(id == ++seen && name == "name " + std::to_string(id) && again == id);
        CHECK(row["id"].as<int>() == id && row["name"].as<std::string_view>() == name);
        CHECK(row.index() + 1 == static_cast<std::size_t>(id));
        std::string line;
        for (auto value : row) {
            line.append(value.as<std::string_view>()).append("|");
        }
        CHECK(line == std::to_string(id) + "|" + std::string(name) + "|" + std::to_string(id) + "|");
    }
    CHECK(seen == 3);
    // What algorithms need.
    const std::list<holdfast::row> copied(result.begin(), result.end());
    CHECK(copied.size() == 3 && copied.back()[0].as<int>() == 3);

    CHECK(result.find_column("name") == 1u && result.find_column("id") == 0u && !result.find_column("ID"));
    const auto column = result.column(1);
    CHECK(column.name == "name" && column.type_oid == 25 && column.type_size < 0 && column.table_oid == 0);
    FAILS(holdfast::status::argument, result.column(3));
    auto missing = FAILS(holdfast::status::argument, result[0]["nam"]);
    CHECK(std::string(missing.what()).find("\"nam\"") != std::string::npos);
    FAILS(holdfast::status::argument, result[0].as<int>());
    FAILS(holdfast::status::argument, result[3][0].as<int>());
    FAILS(holdfast::status::argument, result[0][3].as<bytes>());
    FAILS(holdfast::status::argument, result.one());
    FAILS(holdfast::status::argument, result.one_or_none());

    CHECK(!c.query("select 1 where false").one_or_none());
    CHECK(c.query("select 1").one_or_none()->as<int>() == 1);
    FAILS(holdfast::status::argument, c.query("select 1 where false").one());
}

static void a_row_of_a_result_that_is_about_to_go_takes_it_along(const holdfast::pool &pool)
{
    auto row = pool.query("select 'somebody' as who, $1::int as age", 7).one();
    auto [who, age] = row.as<std::string_view, int>();
    CHECK(who == "somebody" && age == 7 && row["who"].as<std::string_view>().data() == who.data() && row.size() == 2);
    auto second = pool.query("select generate_series(1, 3)")[1];
    CHECK(second.as<int>() == 2 && second.index() == 1 && second.view()[0].as<int>() == 2);
    auto maybe = pool.query("select 'x'").one_or_none();
    CHECK(maybe && (*maybe)[0].as<std::string_view>() == "x");
    int sum = 0;
    for (auto value : pool.query("select 1, 2, 3").one()) {
        sum += value.as<int>();
    }
    CHECK(sum == 6);
    auto moved = std::move(row);
    CHECK(moved.as<std::string_view, int>() == std::tuple("somebody", 7) && who == "somebody");
    FAILS(holdfast::status::argument, pool.query("select generate_series(1, 3)").one());
    FAILS(holdfast::status::argument, pool.query("select generate_series(1, 3)").one_or_none());
}

static void a_result_outlives_what_it_came_from(const std::string &url)
{
    holdfast::result kept;
    std::string_view text;
    {
        holdfast::pool pool(url);
        auto result = pool.query("select 'still here'");
        kept = result.clone();
        text = result[0][0].as<std::string_view>();
    }
    CHECK(text == "still here" && kept[0][0].as<std::string_view>().data() == text.data());
    auto packed = kept.pack();
    kept = holdfast::result();
    holdfast_pack_header header;
    CHECK(packed.data().size() > sizeof header);
    std::memcpy(&header, packed.data().data(), sizeof header);
    CHECK(header.magic == HOLDFAST_PACK_MAGIC && header.rows == 1 && header.columns == 1);
}

static void scripts_have_a_result_for_each_statement(holdfast::connection_ref c)
{
    auto results = c.script("select 1; create temp table t (n int); insert into t values (1), (2); select n from t");
    CHECK(results.size() == 4 && !results.empty());
    CHECK(results[2].command_tag() == "INSERT 0 2" && results[2].rows_affected() == 2);
    int total = 0;
    for (auto result : results) {
        for (auto row : result) {
            total += row[0].as<int>();
        }
    }
    CHECK(total == 4 && !results[4] && results[4].empty());
    auto kept = results[3].clone();
    results = holdfast::results();
    CHECK(kept.size() == 2);
}

static void an_error_carries_all_that_the_server_said(holdfast::connection_ref c)
{
    c.script("create temp table item (id int constraint item_key unique, "
             "price numeric constraint not_free check (price > 0))");
    c.query("insert into item values (1, 10)");
    auto twice = FAILS(holdfast::status::database, c.query("insert into item values ($1, $2)", 1, 20));
    CHECK(twice.sqlstate() == "23505" && twice.constraint() == "item_key" && twice.table() == "item");
    CHECK(twice.severity() == "ERROR" && twice.kind() == "database" && twice.phase() == "query");
    CHECK(twice.message().find("item_key") != std::string_view::npos);
    CHECK(twice.detail().find("(id)=(1)") != std::string_view::npos);
    CHECK(twice.schema().substr(0, 7) == "pg_temp" && !twice.retryable() && twice.hint().empty());
    CHECK(twice.field(holdfast::field::routine) == "_bt_check_unique" && twice.target() == c.target());
    CHECK(std::string_view(twice.what()).find("23505") != std::string_view::npos);

    auto negative = FAILS(holdfast::status::database, c.query("insert into item values (2, -1)"));
    CHECK(negative.sqlstate() == "23514" && negative.constraint() == "not_free");
    auto typo = FAILS(holdfast::status::database, c.query("selec 1"));
    CHECK(typo.sqlstate() == "42601" && typo.position() == "1");
    c.script("create temp table must (n int not null)");
    auto null = FAILS(holdfast::status::database, c.query("insert into must values (null)"));
    CHECK(null.sqlstate() == "23502" && null.column() == "n" && null.data_type().empty());
    auto none_given = FAILS(holdfast::status::misuse, c.query("select $1::int"));
    CHECK(none_given.parameters() && none_given.parameters()->wanted == 1 && none_given.parameters()->given == 0);
    FAILS(holdfast::status::utf8, c.query("select 'caf\xe9'"));
}

static void a_copied_error_shares_what_the_library_said_and_outlives_the_original(holdfast::connection_ref c)
{
    std::optional<holdfast::error> kept;
    std::string_view state;
    std::exception_ptr pointer;
    try {
        c.query("select 1 / 0");
    } catch (const holdfast::error &error) {
        kept = error;
        state = error.sqlstate();
        pointer = std::current_exception();
    }
    CHECK(kept->native() != nullptr && state == "22012" && kept->sqlstate().data() == state.data());
    holdfast::error assigned(holdfast::status::argument, "the program's own");
    CHECK(assigned.native() == nullptr && assigned.sqlstate().empty() && assigned.kind() == "argument");
    CHECK(assigned.attempts().empty() && !assigned.snapshot() && !assigned.retryable());
    assigned = *kept;
    kept.reset();
    CHECK(assigned.sqlstate() == "22012" && assigned.status() == holdfast::status::database);
    try {
        std::rethrow_exception(pointer);
    } catch (const std::runtime_error &error) {
        CHECK(std::string(error.what()) == assigned.what());
    }
}

int main(int argc, char **argv)
{
    return run(argc, argv, [](const std::string &url) {
        holdfast::pool pool(url);
        auto connection = pool.acquire();
        parameters_arrive_as_what_they_are(connection);
        vectors_arrive_as_arrays(connection);
        times_go_in_and_come_out(connection);
        texts_are_quoted_for_statements_without_parameters(connection);
        an_optional_without_a_value_is_null_in_both_directions(connection);
        values_are_read_as_the_types_they_are_asked_for(connection);
        rows_are_gone_through_and_taken_apart(connection);
        a_row_of_a_result_that_is_about_to_go_takes_it_along(pool);
        a_result_outlives_what_it_came_from(url);
        scripts_have_a_result_for_each_statement(connection);
        an_error_carries_all_that_the_server_said(connection);
        a_copied_error_shares_what_the_library_said_and_outlives_the_original(connection);
    });
}
