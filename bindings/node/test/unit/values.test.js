'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { test } = require('node:test')
const utils = require('pg/lib/utils')
const { prepareValue, encodeValues, escapeIdentifier, escapeLiteral, settings } = require('../../lib/values')

/** Reads back what encodeValues wrote. */
function decode({ buffer, length, count }) {
  const values = []
  let at = 0
  for (let i = 0; i < count; i++) {
    const size = buffer.readInt32LE(at)
    const format = buffer[at + 4]
    at += 8
    if (size < 0) values.push(null)
    else values.push(format === 1 ? Buffer.from(buffer.subarray(at, at + size)) : buffer.toString('utf8', at, at + size))
    at += size > 0 ? (size + 3) & ~3 : 0
  }
  assert.equal(at, length)
  return values
}

class Money {
  toPostgres(prepare) {
    return prepare([1, 'a"b'])
  }
}
class Chain {
  toPostgres() {
    return new Money()
  }
}

const VALUES = [
  null, undefined, 0, -0, 1.5, 1e21, NaN, Infinity, 12345678901234567890n, true, false, '', 'text', 'ä€😀', '\ud800', 'x'.repeat(5000),
  Symbol.iterator.description, Buffer.from([0, 1, 255]), Buffer.alloc(0), new Uint8Array([1, 2, 3]).subarray(1), new Uint16Array([258]),
  new DataView(new ArrayBuffer(4), 1, 2), new Date(0), new Date('2024-07-01T12:34:56.789Z'), new Date('0044-03-15T00:00:00Z'),
  new Date(Date.UTC(-43, 2, 15)), new Date(8.64e15), new Date(-8.64e15), [], [1, 'a', null, undefined, true], ['a"b\\c', '', 'NULL', '{}'],
  [[1, 2], [3, [4]]], [Buffer.from('ab'), new Uint8Array([255])], [new Date(0)], [{ a: 1 }], {}, { a: { b: [1, 'x'] } }, { toJSON: () => 'j' },
  new Money(), new Chain(), [new Money()], { toPostgres: () => null }, { toPostgres: () => Buffer.from('b') }, Object.create(null), /re/, new Map([[1, 2]]),
  new String('boxed'), new Number(4), () => 1, function named() {}, new (class { toString() { return 'own' } })(),
]

test('every value is prepared as node-postgres does', () => {
  for (const value of VALUES) assert.deepEqual(prepareValue(value), utils.prepareValue(value), String(value?.constructor?.name))
})

test('dates are prepared as node-postgres does, in every zone', () => {
  const script = `
    const assert = require('node:assert/strict')
    const { prepareValue } = require(${JSON.stringify(require.resolve('../../lib/values'))})
    const utils = require(${JSON.stringify(require.resolve('pg/lib/utils'))})
    for (let ms = -8.64e15; ms <= 8.64e15; ms += 7.77e12 + 12345) assert.equal(prepareValue(new Date(ms)), utils.prepareValue(new Date(ms)))
    for (let ms = -3e12; ms <= 3e12; ms += 1.111e9) assert.equal(prepareValue(new Date(ms)), utils.prepareValue(new Date(ms)))`
  for (const TZ of ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kolkata', 'Pacific/Apia']) {
    execFileSync(process.execPath, ['-e', script], { env: { ...process.env, TZ }, stdio: ['ignore', 'ignore', 'inherit'] })
  }
})

test('dates can be sent in UTC', (t) => {
  settings.parseInputDatesAsUTC = true
  t.after(() => (settings.parseInputDatesAsUTC = false))
  assert.equal(prepareValue(new Date(Date.UTC(-43, 2, 15))), '0044-03-15T00:00:00.000+00:00 BC')
  assert.equal(prepareValue(new Date('2024-07-01T12:34:56.789Z')), '2024-07-01T12:34:56.789+00:00')
})

test('what node-postgres cannot prepare fails in the same way', () => {
  const circular = { toPostgres: () => circular }
  const json = {}
  json.json = json
  for (const value of [circular, json, [{ toPostgres: () => null }], { toJSON: () => 1n }]) {
    const of = (prepare) => {
      try {
        return prepare(value)
      } catch (error) {
        return [error.name, error.message]
      }
    }
    assert.ok(Array.isArray(of(prepareValue)))
    assert.deepEqual(of(prepareValue), of(utils.prepareValue))
  }
})

test('encoded values are read back as they were prepared', () => {
  const expected = VALUES.map((value) => {
    const prepared = utils.prepareValue(value) ?? null
    // A lone surrogate has no UTF-8.
    return prepared === '\ud800' ? '\ufffd' : prepared
  })
  assert.deepEqual(decode(encodeValues(VALUES)), expected)
  for (let i = 0; i < VALUES.length; i++) assert.deepEqual(decode(encodeValues([VALUES[i]])), [expected[i]])
})

test('text of every length is encoded whole, and a huge value does not keep its room', () => {
  for (let n = 0; n < 100; n++) assert.deepEqual(decode(encodeValues(['x'.repeat(n), 'é'.repeat(n)])), ['x'.repeat(n), 'é'.repeat(n)])
  const huge = '€'.repeat(3 << 20)
  assert.equal(decode(encodeValues(['a', huge, 'b']))[1], huge)
  assert.equal(encodeValues(['a']).buffer.length, 4096)
})

test('no values are none', () => {
  for (const none of [undefined, null, []]) assert.deepEqual({ ...encodeValues(none), buffer: null }, { buffer: null, length: 0, count: 0 })
})

test('a value may encode others while it is prepared', () => {
  const value = { toPostgres: () => (encodeValues(['other', 'values']), 'mine') }
  assert.deepEqual(decode(encodeValues(['first', value, 'last'])), ['first', 'mine', 'last'])
})

test('what becomes no text is refused, with what to do', () => {
  assert.throws(() => encodeValues([{ toString: () => 5, toPostgres: () => Object.assign(() => 1, { toString: () => 5 }) }]), {
    name: 'TypeError',
    message: /a parameter became a number where text was needed: give a string, or an object whose toPostgres\(\) returns one/,
  })
})

test('names and literals are quoted as node-postgres does', () => {
  for (const each of ['', 'a', 'a"b', '""', "it's", "''", 'back\\slash', "\\'", 'é\n']) {
    assert.equal(escapeIdentifier(each), utils.escapeIdentifier(each))
    assert.equal(escapeLiteral(each), utils.escapeLiteral(each))
  }
  for (const each of [null, undefined, 5, {}]) assert.equal(escapeLiteral(each), utils.escapeLiteral(each))
})
