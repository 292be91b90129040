'use strict'

// Packs of random results, the same in every run: what is read is what was written, whole or in portions, and no text is cut within
// a character.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { decodeResult, beginResult, decodeRows, PackBuffer } = require('../../lib/decode')
const { writePack } = require('../support/pack')

const RESULTS = 3000
const PIECES = ['', 'a', 'ü', '€', '🦀', 'e\u0301', '\0x', '\u2028', '"', '\\', '大小', '\uffff', 'plain text '.repeat(5), 'ß'.repeat(40)]

/** Marsaglia's xorshift with 32 bits. */
function generator(seed) {
  let state = seed
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** A value of each kind, and what a program sees of it. */
const KINDS = {
  text: (random) => {
    const text = Array.from({ length: random(5) }, () => PIECES[random(PIECES.length)]).join('')
    return [text, text]
  },
  bytes: (random) => {
    const bytes = Buffer.from(Array.from({ length: random(9) }, () => random(256)))
    return [bytes, bytes]
  },
  bool: (random) => [random(2) === 1, undefined],
  i32: (random) => [random(2 ** 32) | 0, undefined],
  u32: (random) => [random(2 ** 32), undefined],
  f64: (random) => [[0, -0, 1.5, NaN, Infinity, -1e300, random(2 ** 32) / 7][random(7)], undefined],
  i64: (random) => {
    const number = BigInt.asIntN(64, (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32)))
    return [number, String(number)]
  },
}

function randomResult(random) {
  const rows = random(6) === 0 ? 60 + random(80) : random(5)
  const names = Object.keys(KINDS)
  const columns = []
  const expected = Array.from({ length: rows }, () => [])
  const width = 1 + random(6)
  for (let i = 0; i < width; i++) {
    const kind = names[random(names.length)]
    const values = expected.map((row) => {
      const [written, read = written] = random(4) === 0 ? [null] : KINDS[kind](random)
      row.push(read)
      return written
    })
    columns.push({ name: PIECES[1 + random(PIECES.length - 1)] + i, kind, values })
  }
  return { columns, expected }
}

test('what is read of any result is what was written, whole or in portions', () => {
  const random = generator(20261201)
  for (let n = 0; n < RESULTS; n++) {
    const { columns, expected } = randomResult(random)
    const pack = writePack(`SELECT ${expected.length}`, columns)
    const whole = decodeResult(pack, { rowMode: 'array' })
    assert.deepEqual(whole.rows, expected, `result ${n}`)
    assert.deepEqual(whole.fields.map((field) => field.name), columns.map(({ name }) => name), `result ${n}`)
    assert.equal(whole.rowCount, expected.length)
    const objects = decodeResult(pack).rows
    expected.forEach((row, at) => row.forEach((value, i) => assert.deepEqual(objects[at][columns[i].name], value)))
    const decoding = beginResult(new PackBuffer(pack), { rowMode: 'array' })
    while (!decoding.done) decodeRows(decoding, decoding.next, decoding.next + 1 + random(20))
    assert.deepEqual(decoding.result.rows, expected, `result ${n} in portions`)
  }
})
