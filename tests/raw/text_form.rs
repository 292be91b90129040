//! The text of binary values: the same rows are fetched in both formats, and what is made of the one has to be the other.

use fastrand::Rng;
use holdfast::session::{ResultFormat, WireFormat};
use holdfast::{PooledConnection, Result};

use crate::one;
use crate::support::server;

/// Values in the binary form of a type, written by the test and checked by the server when it takes them.
type Generator = fn(&mut Rng) -> Vec<u8>;

struct Case {
    type_name: &'static str,
    /// Values at the edges, as the server reads them.
    literals: &'static [&'static str],
    generate: Option<Generator>,
}

const fn case(type_name: &'static str, literals: &'static [&'static str], generate: Generator) -> Case {
    Case { type_name, literals, generate: Some(generate) }
}

const fn literals(type_name: &'static str, literals: &'static [&'static str]) -> Case {
    Case { type_name, literals, generate: None }
}

/// Any bits, or a number of few digits: both ends of what is met.
fn integer(random: &mut Rng) -> i64 {
    match random.u8(..3) {
        0 => random.i64(..),
        1 => random.i64(-1_000..1_000),
        _ => random.i64(..) >> random.u32(..64),
    }
}

fn int2(random: &mut Rng) -> Vec<u8> {
    (integer(random) as i16).to_be_bytes().into()
}

fn int4(random: &mut Rng) -> Vec<u8> {
    (integer(random) as i32).to_be_bytes().into()
}

fn int8(random: &mut Rng) -> Vec<u8> {
    integer(random).to_be_bytes().into()
}

/// Floats of every kind that a shortest form can stumble on: any bits, powers of two, whole numbers around 2^53 and 2^24,
/// short decimals and their neighbours, decimals in the middle between two floats, sums that end in .25 and .75.
fn float8(random: &mut Rng) -> Vec<u8> {
    let number = match random.u8(..8) {
        0 => f64::from_bits(random.u64(..)),
        1 => f64::from_bits(random.u64(..2_047) << 52),
        2 => f64::from_bits(random.u64(..1_000)),
        3 => (random.u64(1 << 49..1 << 56) as f64) / [1.0, 2.0, 4.0, 8.0][random.usize(..4)],
        4 => format!("{}e{}", random.u32(..10_000), random.i32(-320..309)).parse().unwrap(),
        5 => format!("{}e{}", random.u64(..100_000_000_000_000_000), random.i32(-30..30)).parse().unwrap(),
        6 => (random.u64(..1 << 20) as f64) * 10f64.powi(random.i32(15..36)),
        _ => random.f64() * 1e6,
    };
    let bits = number.to_bits().wrapping_add(random.u64(..3)).wrapping_sub(1);
    f64::from_bits(bits ^ u64::from(random.bool()) << 63).to_be_bytes().into()
}

fn float4(random: &mut Rng) -> Vec<u8> {
    let number = match random.u8(..7) {
        0 => f32::from_bits(random.u32(..)),
        1 => f32::from_bits(random.u32(..255) << 23),
        2 => f32::from_bits(random.u32(..1_000)),
        3 => (random.u32(1 << 20..1 << 27) as f32) / [1.0, 2.0, 4.0, 8.0][random.usize(..4)],
        4 => format!("{}e{}", random.u32(..10_000), random.i32(-48..39)).parse().unwrap(),
        5 => (random.u32(..1 << 10) as f32) * 10f32.powi(random.i32(5..28)),
        _ => random.f32() * 1e6,
    };
    let bits = number.to_bits().wrapping_add(random.u32(..3)).wrapping_sub(1);
    f32::from_bits(bits ^ u32::from(random.bool()) << 31).to_be_bytes().into()
}

fn numeric(random: &mut Rng) -> Vec<u8> {
    let digits: Vec<u16> =
        (0..random.u16(..12)).map(|_| [0, random.u16(..10_000)][random.usize(..2)]).collect();
    let (weight, sign) = (random.i16(-6..8), [0, 0x4000][random.usize(..2)]);
    let mut bytes = Vec::new();
    for word in [digits.len() as u16, weight as u16, sign, random.u16(..40)].iter().chain(&digits) {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

fn date(random: &mut Rng) -> Vec<u8> {
    // From 4714 BC to 5874897 AD.
    let days =
        if random.bool() { random.i32(-2_451_545..2_145_031_949) } else { random.i32(-750_000..50_000) };
    days.to_be_bytes().into()
}

fn timestamp(random: &mut Rng) -> Vec<u8> {
    const FIRST: i64 = -211_813_488_000_000_000;
    const END: i64 = 9_223_371_331_200_000_000;
    let micros = if random.bool() { random.i64(FIRST..END) } else { random.i64(..END) >> random.u32(8..40) };
    // Trailing zeros of each number.
    let unit = 10i64.pow(random.u32(..8));
    (micros.max(FIRST) / unit * unit).to_be_bytes().into()
}

fn time(random: &mut Rng) -> Vec<u8> {
    let unit = 10i64.pow(random.u32(..8));
    (random.i64(0..=86_400_000_000) / unit * unit).to_be_bytes().into()
}

fn timetz(random: &mut Rng) -> Vec<u8> {
    let unit = [1, 60, 900, 3_600][random.usize(..4)];
    let zone = random.i32(-57_599..57_600) / unit * unit;
    [time(random).as_slice(), &zone.to_be_bytes()].concat()
}

fn interval(random: &mut Rng) -> Vec<u8> {
    let parts = [integer(random), integer(random), integer(random)];
    let kept = random.u8(..8);
    let part = |n: usize| if kept & 1 << n == 0 { 0 } else { parts[n] };
    [&part(0).to_be_bytes()[..], &(part(1) as i32).to_be_bytes(), &(part(2) as i32).to_be_bytes()].concat()
}

fn bytes(random: &mut Rng, lengths: std::ops::Range<usize>) -> Vec<u8> {
    (0..random.usize(lengths)).map(|_| random.u8(..)).collect()
}

fn inet(random: &mut Rng) -> Vec<u8> {
    if random.bool() {
        return [&[2, random.u8(..=32), 0, 4], bytes(random, 4..5).as_slice()].concat();
    }
    let mut value = vec![3, if random.bool() { 128 } else { random.u8(..=128) }, 0, 16];
    for _ in 0..8 {
        let word = [0, 0, 0, 1, 0xffff, random.u16(..)][random.usize(..6)];
        value.extend(word.to_be_bytes());
    }
    value
}

fn varbit(random: &mut Rng) -> Vec<u8> {
    let count = random.usize(..70);
    let mut value = (count as i32).to_be_bytes().to_vec();
    value.extend((0..count.div_ceil(8)).map(|_| random.u8(..)));
    if !count.is_multiple_of(8)
        && let Some(last) = value.last_mut()
    {
        *last &= 0xff << (8 - count % 8);
    }
    value
}

const CASES: &[Case] = &[
    literals("bool", &["true", "false"]),
    case("int2", &["-32768", "32767"], int2),
    case("int4", &["-2147483648", "2147483647"], int4),
    case("int8", &["-9223372036854775808", "9223372036854775807"], int8),
    case("oid", &["0", "4294967295"], int4),
    case("xid8", &["0", "18446744073709551615"], int8),
    literals("xid", &["3", "4294967295"]),
    literals("cid", &["0", "4294967295"]),
    case(
        "float8",
        &[
            "NaN",
            "Infinity",
            "-Infinity",
            "0",
            "-0",
            "1e23",
            "9007199254740993",
            "1125899906842624.25",
            "1e14",
            "1e15",
            "1e-4",
            "1e-5",
            "0.0001234",
            "5e-324",
            "2.2250738585072014e-308",
            "1.7976931348623157e308",
            "123456789012345.6",
            "1.5e-07",
            "1e20",
            "9.5",
        ],
        float8,
    ),
    case(
        "float4",
        &["NaN", "-Infinity", "-0", "1e5", "1e6", "16777216", "1e-4", "1e-5", "1e-45", "3.4028235e38", "1.1"],
        float4,
    ),
    case(
        "numeric",
        &[
            "NaN",
            "Infinity",
            "-Infinity",
            "0",
            "0.000",
            "-0.00001",
            "1e100",
            "1e-100",
            "10000",
            "99999999.9999",
        ],
        numeric,
    ),
    case("bytea", &["", "\\x00ff"], |random| bytes(random, 0..40)),
    case("uuid", &["00000000-0000-0000-0000-000000000000"], |random| bytes(random, 16..17)),
    case("\"char\"", &["", "x"], |random| bytes(random, 1..2)),
    case(
        "date",
        &[
            "infinity",
            "-infinity",
            "4714-11-24 BC",
            "5874897-12-31",
            "0001-12-31 BC",
            "0001-01-01",
            "2000-02-29",
            "10000-01-01",
        ],
        date,
    ),
    case(
        "timestamp",
        &[
            "infinity",
            "-infinity",
            "4714-11-24 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "0001-12-31 23:59:59.5 BC",
            "1999-12-31 23:59:59.999999",
            "2000-01-01 00:00:00.000001",
            "2026-11-23 12:00:00.120",
        ],
        timestamp,
    ),
    case(
        "timestamptz",
        &[
            "infinity",
            "-infinity",
            "0044-03-15 12:00:00.25+00 BC",
            "2026-11-23 12:00:00+02",
            "12026-11-23 00:00:00+00",
        ],
        timestamp,
    ),
    case("time", &["00:00", "24:00", "23:59:59.999999", "12:00:00.5"], time),
    case("timetz", &["00:00+15:59:59", "24:00-15:59", "12:34:56.789+05:30", "01:02:03-00:00:30"], timetz),
    case(
        "interval",
        &[
            "0",
            "1 year",
            "-1 year",
            "1 mon -1 day",
            "-1 mon 1 day 00:00:01",
            "-1 day 00:00:00.5",
            "-0.000001 s",
            "1 year 2 mons -3 days 04:05:06",
            "25:00",
            "1.5 s",
            "178000000 years",
        ],
        interval,
    ),
    case(
        "inet",
        &[
            "0.0.0.0/0",
            "10.1.2.3/8",
            "::",
            "::1",
            "::1.2.3.4",
            "::ffff:1.2.3.4",
            "1::/64",
            "1:0:0:2::",
            "::2:0:0:1",
        ],
        inet,
    ),
    literals(
        "cidr",
        &["10/8", "192.168.0.0/24", "1.2.3.4", "::/0", "2001:db8::/32", "::1", "::ffff:1.2.3.0/120"],
    ),
    case("macaddr", &["08:00:2b:01:02:03"], |random| bytes(random, 6..7)),
    case("macaddr8", &["08:00:2b:01:02:03:04:05"], |random| bytes(random, 8..9)),
    case("varbit", &["", "1", "10101"], varbit),
    literals("bit(5)", &["10101", "00000"]),
    literals("text", &["", "naïve — ☃", "a\nb"]),
    literals("varchar(20)", &["", "twenty"]),
    literals("char(5)", &["", "abc"]),
    literals("name", &["", "a_name"]),
    literals("json", &["{\"a\":  [1, null]}", "1"]),
    literals("jsonb", &["{\"b\":  [1, null], \"a\": \"ü\"}", "null"]),
    literals("jsonpath", &["$.a[*]", "strict $.b ? (@ > 1)"]),
    literals("xml", &["<a/>", "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><a>ü</a>"]),
    literals("refcursor", &["a cursor"]),
];

const GENERATED: usize = 4_000;

/// The case's literals that the server knows: before 14, the type numeric has no infinity.
fn literals_of(case: &Case, major: u32) -> Vec<&'static str> {
    let known =
        |literal: &&&str| major >= 14 || case.type_name != "numeric" || !literal.ends_with("Infinity");
    case.literals.iter().filter(known).copied().collect()
}

/// The generator of a case whose values the server can print: before 15 it takes long intervals and refuses to print them.
fn generator_of(case: &Case, major: u32) -> Option<Generator> {
    case.generate.filter(|_| major >= 15 || case.type_name != "interval")
}

/// Makes a table of all values of a case.
fn fill_table(conn: &mut PooledConnection, case: &Case, major: u32, random: &mut Rng) -> Result<()> {
    let name = case.type_name;
    conn.batch_execute(&format!("drop table if exists forms; create temp table forms (v {name})"))?;
    let quoted: Vec<String> = literals_of(case, major).iter().map(|l| format!("('{l}'::{name})")).collect();
    conn.batch_execute(&format!("insert into forms values {}, (null)", quoted.join(", ")))?;
    let Some(generate) = generator_of(case, major) else { return Ok(()) };
    let mut data = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for _ in 0..GENERATED {
        let value = generate(random);
        data.extend(1i16.to_be_bytes());
        data.extend((value.len() as i32).to_be_bytes());
        data.extend(value);
    }
    data.extend((-1i16).to_be_bytes());
    let mut raw = conn.raw()?;
    let mut copy = raw.copy_in("copy forms from stdin (format binary)")?;
    copy.write(&data)?;
    copy.finish()?;
    Ok(())
}

#[test]
fn binary_values_read_as_the_server_prints_them() {
    let pool = one(server(), "text_form");
    let mut conn = pool.get().unwrap();
    conn.batch_execute("set timezone to 'UTC'; set datestyle to iso").unwrap();
    let mut random = Rng::with_seed(20_261_123);
    let major: i32 =
        conn.query_one("select current_setting('server_version_num')::int4 / 10000", &[]).unwrap().get(0);
    let major = u32::try_from(major).unwrap();
    for case in CASES {
        fill_table(&mut conn, case, major, &mut random).unwrap_or_else(|e| panic!("{}: {e}", case.type_name));
        let mut raw = conn.raw().unwrap();
        // The text differs from table to table, since a cached statement would have the type of the last one.
        let sql = format!("select v as \"{}\" from forms", case.type_name.replace('"', ""));
        let printed = raw.query(&sql, &[], ResultFormat::Text).unwrap();
        let binary = raw.query(&sql, &[], ResultFormat::Binary).unwrap();
        let least = literals_of(case, major).len() + generator_of(case, major).map_or(0, |_| GENERATED);
        assert_eq!((printed.rows(), binary.rows()), (least + 1, least + 1));
        assert_eq!(binary.columns()[0].format, WireFormat::Binary);
        for row in 0..printed.rows() {
            // Before 15 the server sends a byte of "char" as it is, which may be no text.
            let is_text = |bytes: &&[u8]| major >= 15 || std::str::from_utf8(bytes).is_ok();
            let wanted = printed.cell(row, 0).filter(is_text).map(|bytes| String::from_utf8_lossy(bytes));
            let came = || format!("{} row {row}: {:02x?}", case.type_name, binary.cell(row, 0));
            assert_eq!(binary.text(row, 0), wanted, "{}", came());
            assert_eq!(printed.text(row, 0), wanted, "{}", came());
        }
    }
}

#[test]
fn automatic_format_is_binary_only_where_the_text_can_be_told() {
    let pool = one(server(), "automatic_text");
    let mut conn = pool.get().unwrap();
    let sql = "select '2026-11-23'::date, '2026-11-23 12:00'::timestamp, '2026-11-23 12:00+00'::timestamptz, 1.1::float4";
    use WireFormat::{Binary, Text};
    for (settings, formats) in [
        ("set timezone to 'UTC'; set datestyle to iso", [Binary, Binary, Binary, Binary]),
        ("set timezone to 'Europe/Berlin'", [Binary, Binary, Text, Binary]),
        ("set datestyle to german", [Text, Text, Text, Binary]),
        ("set timezone to 'GMT'", [Text, Text, Text, Binary]),
        ("set datestyle to 'iso, dmy'", [Binary, Binary, Binary, Binary]),
    ] {
        conn.batch_execute(settings).unwrap();
        let mut raw = conn.raw().unwrap();
        let printed = raw.query(sql, &[], ResultFormat::Text).unwrap();
        let automatic = raw.query(sql, &[], ResultFormat::Automatic).unwrap();
        let binary = raw.query(sql, &[], ResultFormat::Binary).unwrap();
        for (column, format) in formats.into_iter().enumerate() {
            assert_eq!(automatic.columns()[column].format, format, "{settings}, column {column}");
            assert_eq!(automatic.text(0, column), printed.text(0, column), "{settings}, column {column}");
            assert_eq!(binary.text(0, column).is_some(), format == Binary, "{settings}, column {column}");
        }
    }
}

#[test]
fn a_binary_value_of_another_type_has_no_text() {
    let pool = one(server(), "no_text");
    let mut conn = pool.get().unwrap();
    let sql = "select '{1,2}'::int4[], '[1,10)'::int4range, '(1,2)'::point, 1.50::money, 7";
    let block = conn.raw().unwrap().query(sql, &[], ResultFormat::Binary).unwrap();
    let texts: Vec<_> = (0..5).map(|column| block.text(0, column)).collect();
    assert_eq!(texts, [None, None, None, None, Some("7".into())]);
    assert_eq!((block.text(1, 4), block.text(0, 5)), (None, None));
}
