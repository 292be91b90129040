'use strict'

/**
 * Every built-in type: its values, in text as the server takes them. Of each are made three queries: the values as columns,
 * the values as a parameter in text, and an array of them.
 */
const TYPES = {
  bool: ['t', 'f'],
  int2: ['0', '-32768', '32767'],
  int4: ['0', '-2147483648', '2147483647'],
  int8: ['0', '-1', '9007199254740993', '-9223372036854775808', '9223372036854775807'],
  oid: ['0', '4294967295'],
  xid: ['1', '4294967295'],
  xid8: ['18446744073709551615'],
  cid: ['7'],
  tid: ['(0,1)'],
  float4: ['0', '1.1', '-3.4e38', '1e-40', 'NaN', 'Infinity', '-Infinity', '-0', '16777216', '0.1', '123456.7', '1234567'],
  float8: ['0', '1.1', '1e308', '5e-324', 'NaN', 'Infinity', '-Infinity', '-0', '0.1', '1e15', '123456789012345680', '0.0001', '0.00001', '1e21'],
  numeric: ['0', '1.10', '-12345678901234567890.123456789', 'NaN', 'Infinity', '0.0000001'],
  money: ['$1,234.56', '-$0.01'],
  text: ['', 'a', 'ä€😀', ' both ', '"quoted"', 'back\\slash', 'line\nbreak', 'NULL', '{}'],
  varchar: ['', 'abc'],
  bpchar: ['a', 'ab '],
  name: ['pg_class'],
  '"char"': ['a'],
  bytea: ['', '\\x00ff10', '\\xdeadbeef'],
  json: ['{"a": [1, 2, {"b": null}]}', 'null', '"text"', '1.5', '[]', '{"ä": "€"}', '{"__proto__": 1}'],
  jsonb: ['{"b": 1, "a": 2}', 'null', 'true', '"x"', '123456789012345678901234567890'],
  xml: ['<a b="c">d</a>'],
  uuid: ['00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  date: ['2024-02-29', '1970-01-01', '1899-12-31', '0001-01-01', '0099-12-31', '0044-03-15 BC', '4713-01-01 BC', '12345-06-07', 'infinity', '-infinity', '5874897-12-31'],
  time: ['00:00:00', '23:59:59.999999', '24:00:00'],
  timetz: ['12:34:56+02', '00:00:00-11:30'],
  timestamp: ['2024-07-01 12:34:56.789', '1969-12-31 23:59:59.999999', '0044-03-15 01:02:03 BC', '0001-01-01 00:00:00', '0099-06-15 12:00:00', '10000-01-01 00:00:00', '294276-12-31 23:59:59', 'infinity', '-infinity', '2024-03-31 02:30:00', '2000-01-01 00:00:00.0005'],
  timestamptz: ['2024-07-01 12:34:56.789+02', '1969-12-31 23:59:59.999999+00', '0044-03-15 01:02:03+00 BC', '0001-01-01 00:00:00+00', '1883-01-01 00:00:00+00', '10000-01-01 00:00:00+00', 'infinity', '-infinity', '2024-10-27 01:30:00+00', '2000-01-01 00:00:00.0005+00'],
  interval: ['0', '1 year 2 mons 3 days 04:05:06.789', '-1 year -2 mons +3 days -04:05:06', '178000000 years', '00:00:00.000001', '-00:00:01.5', '1 mon'],
  inet: ['192.168.0.1', '10.0.0.0/8', '::1', '2001:db8::/32'],
  cidr: ['10.0.0.0/8', '2001:db8::/32'],
  macaddr: ['08:00:2b:01:02:03'],
  macaddr8: ['08:00:2b:01:02:03:04:05'],
  'bit(4)': ['1010'],
  varbit: ['', '1', '101010101'],
  point: ['(1.5,-2)', '(1e+300,0)'],
  lseg: ['[(1,2),(3,4)]'],
  path: ['((1,2),(3,4))', '[(1,2),(3,4)]'],
  polygon: ['((1,2),(3,4),(5,6))'],
  line: ['{1,2,3}'],
  circle: ['<(1,2),3.5>', '<(-1.25,2),0>'],
  int4range: ['[1,5)', 'empty', '(,)'],
  int8range: ['[1,5)'],
  numrange: ['[1.1,2.2]', '(,5)'],
  daterange: ['[2024-01-01,2024-02-01)'],
  tsrange: ['["2024-01-01 00:00:00","2024-02-01 00:00:00")'],
  tstzrange: ['["2024-01-01 00:00:00+00",)'],
  int4multirange: ['{[1,3),[5,7)}', '{}'],
  tsvector: ["'a':1 'cat':2A"],
  tsquery: ["'a' & 'b'"],
  regclass: ['pg_class'],
  regtype: ['integer'],
  regproc: ['now'],
  regnamespace: ['pg_catalog'],
  pg_lsn: ['16/B374D848'],
  txid_snapshot: ['10:20:10,14,15'],
  jsonpath: ['$.a[*]'],
  aclitem: ['postgres=r/postgres'],
  'varchar(5)': ['abc'],
  'numeric(10,2)': ['3.14159'],
  'timestamp(0)': ['2024-07-01 12:34:56.789'],
  'timestamptz(3)': ['2024-07-01 12:34:56.7891+00'],
  'interval(0)': ['1.5 s'],
}

const quote = (text) => ` E'${text.replace(/\\/g, '\\\\').replace(/'/g, "''")}'`

/** Types that have no arrays worth the name. */
const WITHOUT_ARRAY = new Set([])

const cases = []
for (const [type, values] of Object.entries(TYPES)) {
  const columns = values.map((value, i) => `${quote(value)}::${type} AS v${i}`)
  cases.push({ name: `values of ${type}`, text: `SELECT ${columns.join(', ')}, NULL::${type} AS none` })
  const parameters = values.map((_, i) => `$${i + 1}::${type} AS v${i}`)
  cases.push({ name: `parameters of ${type} in text`, text: `SELECT ${parameters.join(', ')}`, values })
  if (WITHOUT_ARRAY.has(type)) continue
  const elements = values.map((value) => `${quote(value)}::${type}`)
  cases.push({
    name: `arrays of ${type}`,
    text: `SELECT ARRAY[${elements.join(', ')}, NULL]::${type}[] AS v, '{}'::${type}[] AS empty, ARRAY[ARRAY[${elements[0]}]]::${type}[] AS nested`,
  })
}

module.exports = cases
