'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { Pool } = require('../..')
const { addon } = require('../../lib/native')
const { encodeValues } = require('../../lib/values')

// Zeroed memory of this size is mapped and not touched, as long as nothing is copied out of it.
const GIB = 2 ** 30
const ADMIN = Buffer.from([5, 0, 0, 0, 0, 0, 0, 0, ...Buffer.from('admin')])

function upload(size) {
  const bytes = Buffer.alloc(size)
  ADMIN.copy(bytes)
  return bytes
}

const tooLarge = { name: 'RangeError', message: /PostgreSQL takes at most 1073741823/ }

test('a parameter of 2 GiB or more is refused before anything is written', () => {
  for (const size of [GIB, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 8]) assert.throws(() => encodeValues([upload(size), 'mallory']), tooLarge, `${size}`)
})

test('parameters that are too large only together are refused', () => {
  const half = Buffer.alloc(GIB / 2)
  assert.throws(() => encodeValues([half, half]), tooLarge)
  assert.throws(() => encodeValues(new Array(9).fill(half)), tooLarge, 'beyond 2^32')
  assert.throws(() => encodeValues(['x', Buffer.alloc(GIB - 1)]), tooLarge)
  // In UTF-8 it has more bytes than units.
  const text = 'ä'.repeat(2 ** 28)
  assert.throws(() => encodeValues([text, text]), tooLarge)
})

test('a query with a parameter of 2 GiB fails by itself, and no server is asked', async () => {
  const pool = new Pool({ host: '127.0.0.1', port: 1, retryMax: 0 })
  await assert.rejects(pool.query('select $1::bytea, $2::text', [upload(2 ** 31), 'mallory']), tooLarge)
  await pool.end()
})

/** One encoded value, with any length. */
function encoded(length, format = 0, bytes = 'text') {
  const head = Buffer.alloc(8)
  head.writeInt32LE(length)
  head[4] = format
  return Buffer.concat([head, Buffer.from(bytes)])
}

test('the addon takes only -1 for NULL, and refuses every other odd length, format, count or position', async () => {
  const pool = new Pool({ host: '127.0.0.1', port: 1, retryMax: 0 })
  const submit = (buffer, count = 1) => addon.submitQuery(pool._handle, 0, 'select $1', buffer, count, 2, 0, -1, 0)
  for (const length of [-2, -5, -(2 ** 31), 5, 2 ** 31 - 1]) {
    const answer = submit(encoded(length))
    assert.match(answer.message, /malformed/, `length ${length}`)
  }
  assert.match(submit(encoded(4, 2)).message, /malformed/)
  assert.match(submit(encoded(3, 0, 'abc')).message, /malformed/, 'no padding')
  assert.match(submit(encoded(4), 2).message, /malformed/)
  assert.match(submit(encoded(4), -1).message, /malformed/)
  await pool.end()
})
