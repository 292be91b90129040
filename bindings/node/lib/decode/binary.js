'use strict'

const { COLUMN, KIND } = require('./pack')
const { texts } = require('./texts')
const { isNull, nullsOf } = require('./columns')

/**
 * For queries that ask for binary results: parsers are given the bytes that the server sent. A pack has values in a form
 * of its own, from which they are made again.
 */

const INT2 = 21
const FLOAT4 = 700
const JSONB = 3802
const NUMERIC = 1700
const UUID = 2950

function fixed(size, write) {
  const bytes = Buffer.allocUnsafe(size)
  write(bytes)
  return bytes
}

/** A numeric as the server sends it: digits of 10,000, the first of which counts 10,000 to the power of the weight. */
function numericBytes(text) {
  const special = { NaN: 0xc000, Infinity: 0xd000, '-Infinity': 0xf000 }[text]
  if (special !== undefined) return fixed(8, (bytes) => bytes.fill(0).writeUInt16BE(special, 4))
  const [, minus, whole, part = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  const padded = whole.padStart(Math.ceil(whole.length / 4) * 4, '0') + part.padEnd(Math.ceil(part.length / 4) * 4, '0')
  const digits = padded.match(/\d{4}/g).map(Number)
  let weight = Math.ceil(whole.length / 4) - 1
  while (digits.length > 0 && digits[0] === 0) {
    digits.shift()
    weight -= 1
  }
  while (digits.length > 0 && digits[digits.length - 1] === 0) digits.pop()
  return fixed(8 + 2 * digits.length, (bytes) => {
    bytes.writeUInt16BE(digits.length, 0)
    bytes.writeInt16BE(digits.length === 0 ? 0 : weight, 2)
    bytes.writeUInt16BE(minus && digits.length > 0 ? 0x4000 : 0, 4)
    bytes.writeUInt16BE(part.length, 6)
    digits.forEach((digit, i) => bytes.writeUInt16BE(digit, 8 + 2 * i))
  })
}

/** The bytes of a value. Of types for which a pack has text and that are not among those below, that text. */
function bytesOf(buffer, at, column, row) {
  const { bytes, words } = buffer
  const type = words[column + COLUMN.type]
  const values = at + (words[column + COLUMN.valuesAt] >>> 0)
  switch (words[column + COLUMN.kind]) {
    case KIND.bool:
      return Buffer.from([bytes[values + row]])
    case KIND.i32:
      if (type === INT2) return fixed(2, (out) => out.writeInt16BE(words[(values >>> 2) + row], 0))
    // falls through
    case KIND.u32:
    case KIND.days:
      return fixed(4, (out) => out.writeInt32BE(words[(values >>> 2) + row], 0))
    case KIND.i64:
    case KIND.micros:
      return fixed(8, (out) => {
        out.writeInt32BE(words[(values >>> 2) + 2 * row + 1], 0)
        out.writeInt32BE(words[(values >>> 2) + 2 * row], 4)
      })
    case KIND.f64: {
      const value = buffer.doubles[(values >>> 3) + row]
      return type === FLOAT4 ? fixed(4, (out) => out.writeFloatBE(value, 0)) : fixed(8, (out) => out.writeDoubleBE(value, 0))
    }
    case KIND.bytes: {
      const arena = at + (words[column + COLUMN.arenaAt] >>> 0)
      return Buffer.from(bytes.subarray(arena + (words[(values >>> 2) + row] >>> 0), arena + (words[(values >>> 2) + row + 1] >>> 0)))
    }
    default: {
      const text = texts[KIND.text](buffer, at, column, row)
      if (type === NUMERIC) return numericBytes(text)
      if (type === UUID) return Buffer.from(text.replace(/-/g, ''), 'hex')
      return Buffer.from(type === JSONB ? '\x01' + text : text)
    }
  }
}

function parseBinaryColumn(buffer, at, column, parser, from, count, out, to) {
  const nulls = nullsOf(buffer, at, column)
  for (let i = 0; i < count; i++) {
    out[to + i] = nulls !== 0 && isNull(buffer, nulls, from + i) ? null : parser(bytesOf(buffer, at, column, from + i))
  }
}

module.exports = { parseBinaryColumn, numericBytes }
