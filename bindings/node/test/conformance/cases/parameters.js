'use strict'

/** Every type of JavaScript value as a parameter. */

class Point {
  constructor(x, y) {
    this.x = x
    this.y = y
  }
  toPostgres() {
    return `(${this.x},${this.y})`
  }
}

const one = (name, type, ...values) => ({
  name: `a parameter: ${name}`,
  text: `SELECT ${values.map((_, i) => `$${i + 1}::${type} AS v${i}`).join(', ')}`,
  values,
})

module.exports = [
  one('null and undefined', 'text', null, undefined),
  one('numbers as int4', 'int4', 0, -1, 2147483647),
  one('numbers as float8', 'float8', 1.5, -0, NaN, Infinity, 1e-7, 1e21),
  one('numbers as text', 'text', 5, 1.25, 1e21),
  one('numbers as numeric', 'numeric', 0.1, 123456789),
  one('BigInt', 'int8', 9007199254740993n, -1n),
  one('booleans', 'bool', true, false),
  one('strings', 'text', '', 'text', "it's", 'ä€😀', 'x'.repeat(10000)),
  one('Buffers', 'bytea', Buffer.from([0, 1, 254, 255]), Buffer.alloc(0), Buffer.alloc(100000, 7)),
  one('typed arrays', 'bytea', new Uint8Array([1, 2, 3]), new Uint16Array([258]), new DataView(new ArrayBuffer(3), 1)),
  one('a Buffer as text', 'text', Buffer.from('in binary')),
  one('a Buffer as int4', 'int4', Buffer.from([0, 0, 1, 0])),
  one('Dates as timestamptz', 'timestamptz', new Date(0), new Date('2024-07-01T12:34:56.789Z'), new Date(Date.UTC(-43, 2, 15))),
  one('Dates as timestamp', 'timestamp', new Date(0), new Date('2024-07-01T12:34:56.789Z')),
  one('Dates as date', 'date', new Date('2024-07-01T12:34:56.789Z')),
  one('Dates as text', 'text', new Date('2024-07-01T12:34:56.789Z')),
  one('objects as json', 'json', { a: 1, b: [null, 'x'] }, {}),
  one('objects as jsonb', 'jsonb', { a: { 'ä': '€' } }, { toJSON: () => [1] }),
  one('objects as text', 'text', { a: 1 }),
  one('an object with toPostgres', 'point', new Point(1, 2.5)),
  one('toPostgres that gives null', 'text', { toPostgres: () => null }),
  one('toPostgres that gives a Buffer', 'bytea', { toPostgres: () => Buffer.from('b') }),
  one('toPostgres that prepares another value', 'int[]', { toPostgres: (prepare) => prepare([1, 2]) }),
  one('arrays of numbers', 'int[]', [], [1, 2, null], [[1, 2], [3, 4]]),
  one('arrays of strings', 'text[]', ['a', '', 'NULL', '"', '\\', ',', '{}', 'ä'], [null, undefined]),
  one('arrays of booleans', 'bool[]', [true, false, null]),
  one('arrays of Dates', 'timestamptz[]', [new Date(0), null]),
  one('arrays of Buffers', 'bytea[]', [Buffer.from([0, 255]), new Uint8Array([1])]),
  one('arrays of objects', 'jsonb[]', [{ a: 1 }, { b: '"' }]),
  one('arrays with toPostgres', 'point[]', [new Point(1, 2), new Point(3, 4)]),
  one('a function', 'text', function named() { return 1 }),
  one('a Map', 'json', new Map([[1, 2]])),
  one('a regular expression', 'json', /re/),
  { name: 'a parameter: of a type that the server finds', text: 'SELECT $1 AS a, $2 + 1 AS b', values: ['x', 4] },
  { name: 'a parameter: used twice and out of order', text: 'SELECT $2::text AS a, $1::int AS b, $2::text AS c', values: [1, 'x'] },
  { name: 'a parameter: an array for ANY', text: 'SELECT g FROM generate_series(1, 9) g WHERE g = ANY($1)', values: [[2, 4, 11]] },
  { name: 'parameters: a hundred', text: `SELECT ${Array.from({ length: 100 }, (_, i) => `$${i + 1}::int AS c${i}`)}`, values: Array.from({ length: 100 }, (_, i) => i) },
  { name: 'parameters: none, in an empty list', text: 'SELECT 1 AS a', values: [] },
]
