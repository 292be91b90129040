'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { test } = require('node:test')
const path = require('node:path')
const types = require('pg-types')
const { decodeResult, beginResult, decodeRows, decodeWithin, PackBuffer } = require('../../lib/decode')
const { writePack } = require('../support/pack')

const text = (name, ...values) => ({ name, kind: 'text', values })
const int = (name, ...values) => ({ name, kind: 'i32', values })

test('a row is a plain object with its columns in order', () => {
  const { rows } = decodeResult(writePack('SELECT 2', [text('b', 'x', 'ÿ€'), int('a', 1, null)]))
  assert.deepEqual(rows, [{ b: 'x', a: 1 }, { b: 'ÿ€', a: null }])
  assert.deepEqual(Object.keys(rows[0]), ['b', 'a'])
  assert.equal(Object.getPrototypeOf(rows[0]), Object.prototype)
})

test('of columns of one name the last wins, at the place of the first', () => {
  const { rows, fields } = decodeResult(writePack('SELECT 1', [int('a', 1), int('b', 2), int('a', null)]))
  assert.deepEqual(Object.entries(rows[0]), [['a', null], ['b', 2]])
  assert.deepEqual(fields.map((field) => field.name), ['a', 'b', 'a'])
})

test("rowMode 'array' keeps them all", () => {
  const { rows } = decodeResult(writePack('SELECT 1', [int('a', 1), int('a', 2)]), { rowMode: 'array' })
  assert.deepEqual(rows, [[1, 2]])
})

const STRANGE = ['__proto__', 'constructor', 'a"b', 'a\\b', '0', '', 'a\nb', '\u2028', "'", '`${x}`', '*/', 'é']

test('a column may have any name, __proto__ too', () => {
  const { rows } = decodeResult(writePack('SELECT 1', STRANGE.map((name, i) => int(name, i))))
  assert.equal(Object.getPrototypeOf(rows[0]), Object.prototype)
  STRANGE.forEach((name, i) => assert.equal(Object.getOwnPropertyDescriptor(rows[0], name).value, i))
})

test('rows are the same where code may not be made of text, and of more columns than a literal may have', () => {
  const script = `
    const assert = require('node:assert/strict')
    const { decodeResult } = require(${JSON.stringify(path.join(__dirname, '../../lib/decode'))})
    const { writePack } = require(${JSON.stringify(path.join(__dirname, '../support/pack'))})
    assert.throws(() => new Function('return 1'), EvalError)
    const names = ${JSON.stringify(STRANGE)}
    const pack = writePack('SELECT 2', names.map((name, i) => ({ name, kind: 'i32', values: [i, null] })))
    const { rows } = decodeResult(pack)
    names.forEach((name, i) => assert.equal(Object.getOwnPropertyDescriptor(rows[0], name).value, i))
    assert.equal(rows[1].constructor, null)
    assert.deepEqual(decodeResult(pack, { rowMode: 'array' }).rows[0], names.map((_, i) => i))`
  execFileSync(process.execPath, ['--disallow-code-generation-from-strings', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'] })
  const wide = Array.from({ length: 1200 }, (_, i) => int('c' + i, i))
  const row = decodeResult(writePack('SELECT 1', wide)).rows[0]
  assert.equal(Object.keys(row).length, 1200)
  assert.equal(row.c1199, 1199)
  assert.equal(decodeResult(writePack('SELECT 1', wide), { rowMode: 'array' }).rows[0][1199], 1199)
})

test('every kind of value is read, with and without NULLs around it', () => {
  const columns = [
    { name: 'bool', kind: 'bool', values: [true, null, false] },
    { name: 'i64', kind: 'i64', values: [9223372036854775807n, null, -9223372036854775808n] },
    { name: 'u32', kind: 'u32', values: [4294967295, null, 0] },
    { name: 'f64', kind: 'f64', values: [1.5, null, NaN] },
    { name: 'days', kind: 'days', values: [2147483647, null, -2147483648] },
    { name: 'micros', kind: 'micros', values: [0n, null, 9223372036854775807n] },
    { name: 'bytes', kind: 'bytes', values: [Buffer.from([0, 255]), null, Buffer.alloc(0)] },
  ]
  const { rows } = decodeResult(writePack('SELECT 3', columns), { rowMode: 'array' })
  assert.deepEqual(rows[0], [true, '9223372036854775807', 4294967295, 1.5, Infinity, new Date('2000-01-01T00:00:00Z'), Buffer.from([0, 255])])
  assert.deepEqual(rows[1], columns.map(() => null))
  assert.deepEqual(rows[2], [false, '-9223372036854775808', 0, NaN, -Infinity, Infinity, Buffer.alloc(0)])
})

test('an int8 is exact around the largest number that is', () => {
  const edge = 2n ** 53n
  const values = [edge - 1n, edge, edge + 1n, -edge - 1n, 1n - edge, -1n, 0n, 4294967296n, -4294967297n]
  const { rows } = decodeResult(writePack('SELECT 9', [{ name: 'n', kind: 'i64', values }]))
  assert.deepEqual(rows.map((row) => row.n), values.map(String))
})

test('a parser of the query is called with the text that the server would have sent, and not for NULL', () => {
  const columns = [
    { name: 'a', kind: 'bool', values: [true, null] },
    { name: 'b', kind: 'i64', values: [-5n, null] },
    { name: 'c', kind: 'f64', values: [1e20, null] },
    { name: 'd', kind: 'f64', values: [0.0001, null] },
    { name: 'e', kind: 'f64', values: [0.00001, null] },
    { name: 'f', kind: 'days', values: [-1, null] },
    { name: 'g', kind: 'micros', values: [-1n, null] },
    { name: 'h', kind: 'micros', values: [86400000000n, null], type: 1114 },
    { name: 'i', kind: 'bytes', values: [Buffer.from([1, 171]), null] },
    text('j', 'x', null),
  ]
  const given = []
  const getTypeParser = (oid, format) => (value) => given.push([oid, format, value])
  const { rows } = decodeResult(writePack('SELECT 2', columns), { types: { getTypeParser }, rowMode: 'array' })
  assert.deepEqual(given.map(([, , value]) => value), [
    't', '-5', '1e+20', '0.0001', '1e-05', '1999-12-31', '1999-12-31 23:59:59.999999+00', '2000-01-02 00:00:00', '\\x01ab', 'x',
  ])
  assert.ok(given.every(([, format]) => format === 'text'))
  assert.deepEqual(rows[1], columns.map(() => null))
})

test("a parser set globally takes effect at once, and pg-types' own again when it is set back", () => {
  const pack = writePack('SELECT 1', [{ name: 'n', kind: 'i64', values: [5n] }])
  const own = types.getTypeParser(20)
  types.setTypeParser(20, (value) => BigInt(value))
  try {
    assert.equal(decodeResult(pack).rows[0].n, 5n)
  } finally {
    types.setTypeParser(20, own)
  }
  assert.equal(decodeResult(pack).rows[0].n, '5')
})

test('a query that asks for binary results has its parsers called with bytes', () => {
  const columns = [
    { name: 'a', kind: 'i32', values: [-2], type: 21 },
    { name: 'b', kind: 'i64', values: [-2n] },
    { name: 'c', kind: 'f64', values: [1.5] },
    { name: 'd', kind: 'text', values: ['12345.678'], type: 1700, format: 1 },
    { name: 'e', kind: 'text', values: ['11111111-2222-3333-4444-555555555555'], type: 2950, format: 1 },
  ]
  const getTypeParser = (oid, format) => (value) => `${format} ${value.toString('hex')}`
  const { rows, fields } = decodeResult(writePack('SELECT 1', columns), { binary: true, types: { getTypeParser }, rowMode: 'array' })
  assert.deepEqual(rows[0], [
    'binary fffe', 'binary fffffffffffffffe', 'binary 3ff8000000000000', 'binary 0003000100000003000109291a7c', 'binary 11111111222233334444555555555555',
  ])
  assert.equal(fields[0].format, 'binary')
  const plain = decodeResult(writePack('SELECT 1', columns), { binary: true, rowMode: 'array' })
  assert.deepEqual(plain.rows[0].slice(0, 4), [-2, '-2', 1.5, 12345.678])
})

test('binary that only this library asked for is not seen in the fields', () => {
  assert.deepEqual({ ...decodeResult(writePack('SELECT 0', [int('a')])).fields[0] }, {
    name: 'a', tableID: 0, columnID: 0, dataTypeID: 23, dataTypeSize: 4, dataTypeModifier: -1, format: 'text',
  })
})

test('the tag gives command, rowCount and oid', () => {
  const of = (tag) => {
    const { command, rowCount, oid } = decodeResult(writePack(tag, []))
    return [command, rowCount, oid]
  }
  assert.deepEqual(of('INSERT 0 5'), ['INSERT', 5, 0])
  assert.deepEqual(of('SELECT 12'), ['SELECT', 12, null])
  assert.deepEqual(of('CREATE TABLE'), ['CREATE', null, null])
  assert.deepEqual(of(''), [null, null, null])
})

test('fields and values are the caller’s own: to change them changes no other result', () => {
  const pack = writePack('SELECT 1', [{ name: 'b', kind: 'bytes', values: [Buffer.from('abc')] }])
  const first = decodeResult(pack)
  first.fields[0].name = 'x'
  first.rows[0].b.fill(0)
  const second = decodeResult(pack)
  assert.equal(second.fields[0].name, 'b')
  assert.equal(second.rows[0].b.toString(), 'abc')
})

test('many rows are the same decoded at once, in pieces and within a time', () => {
  const n = 3000
  const values = Array.from({ length: n }, (_, i) => i)
  const words = values.map((i) => (i % 7 === 0 ? null : 'word '.repeat(i % 50) + i))
  const pack = writePack(`SELECT ${n}`, [int('i', ...values), text('w', ...words)])
  const whole = decodeResult(pack)
  assert.deepEqual(whole.rows, values.map((i) => ({ i, w: words[i] })))
  const pieces = beginResult(pack)
  for (let row = 0; row < n; row += 997) decodeRows(pieces, row, row + 997)
  assert.deepEqual(pieces.result.rows, whole.rows)
  const timed = beginResult(pack)
  let turns = 1
  while (!decodeWithin(timed, 0)) turns += 1
  assert.ok(turns > 5, `it took ${turns} turns`)
  assert.deepEqual(timed.result.rows, whole.rows)
})

test('a parser may decode another result, or throw', () => {
  const pack = writePack('SELECT 3', [text('a', 'x', 'y', 'z'), text('b', '1', '2', '3')])
  const nested = { getTypeParser: () => (value) => value + decodeResult(pack).rows[2].a }
  assert.deepEqual(decodeResult(pack, { types: nested }).rows[1], { a: 'yz', b: '2z' })
  const throws = { getTypeParser: () => (value) => { throw new Error('cannot parse ' + value) } }
  assert.throws(() => decodeResult(pack, { types: throws }), /cannot parse x/)
  assert.deepEqual(decodeResult(pack).rows[2], { a: 'z', b: '3' })
})

test('several packs in one buffer are read from their places', () => {
  const packs = [writePack('SELECT 1', [int('a', 1)]), writePack('SELECT 1', [text('b', 'x')])]
  const buffer = new PackBuffer(new Uint8Array(Buffer.concat(packs)))
  assert.deepEqual(decodeResult(buffer, {}, 0).rows, [{ a: 1 }])
  assert.deepEqual(decodeResult(buffer, {}, packs[0].length).rows, [{ b: 'x' }])
})

test('a buffer may begin anywhere in memory', () => {
  const pack = writePack('SELECT 1', [{ name: 'f', kind: 'f64', values: [2.5] }])
  const memory = Buffer.alloc(pack.length + 8)
  for (let shift = 0; shift < 8; shift++) {
    pack.copy(memory, shift)
    assert.equal(decodeResult(memory.subarray(shift, shift + pack.length)).rows[0].f, 2.5)
  }
})

test('what is no pack is refused, with what is wrong', () => {
  const pack = writePack('SELECT 1', [int('a', 1)])
  assert.throws(() => decodeResult('text'), /a pack must be a Uint8Array or a Buffer, got string/)
  assert.throws(() => decodeResult(Buffer.alloc(64)), /there is no pack at byte 0: it begins with 0x0/)
  assert.throws(() => decodeResult(pack.subarray(0, pack.length - 8)), /it was cut off/)
  const later = Buffer.from(pack)
  later.writeUInt32LE(2, 4)
  assert.throws(() => decodeResult(later), /of version 2 and this package reads version 1/)
})
