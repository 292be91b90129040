'use strict'

const { COLUMN, KIND } = require('./pack')
const { dayText, microsText } = require('./times')

/**
 * The text that the server would have sent for a value that came in binary: for parsers that a program has set itself, which
 * are called with text, as node-postgres calls them.
 */

const FLOAT4 = 700
const TIMESTAMPTZ = 1184

/** A float, as the server has printed it since PostgreSQL 12: the shortest digits, an exponent of at least two. */
function floatText(value, isSingle) {
  if (!Number.isFinite(value)) return value !== value ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [digits, exponent] = value.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -4 && power < (isSingle ? 6 : 15)) {
    const plain = String(value)
    return plain.includes('e') ? value.toFixed(20).replace(/0+$/, '') : plain
  }
  const size = Math.abs(power)
  return `${digits}e${power < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`
}

/** An int8 in two words: exact whatever its size, and without a BigInt where a number can hold it. */
function int8Text(low, high) {
  if (high >= -0x200000 && high < 0x200000) return '' + (high * 4294967296 + (low >>> 0))
  return ((BigInt(high) << 32n) | BigInt(low >>> 0)).toString()
}

/** By kind: the text of the value in this row, which is not NULL. */
const texts = []
texts[KIND.bool] = ({ bytes, words }, at, column, row) => (bytes[at + (words[column + COLUMN.valuesAt] >>> 0) + row] ? 't' : 'f')
texts[KIND.i32] = ({ words }, at, column, row) => '' + words[((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2) + row]
texts[KIND.u32] = ({ words }, at, column, row) => '' + (words[((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2) + row] >>> 0)
texts[KIND.i64] = ({ words }, at, column, row) => {
  const place = ((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2) + 2 * row
  return int8Text(words[place], words[place + 1])
}
texts[KIND.f64] = (buffer, at, column, row) => {
  const words = buffer.words
  const value = buffer.doubles[((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 3) + row]
  return floatText(value, words[column + COLUMN.type] === FLOAT4)
}
texts[KIND.days] = ({ words }, at, column, row) => dayText(words[((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2) + row])
texts[KIND.micros] = ({ words }, at, column, row) => {
  const place = ((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2) + 2 * row
  return microsText(words[place], words[place + 1], words[column + COLUMN.type] === TIMESTAMPTZ ? '+00' : '')
}
texts[KIND.text] = ({ bytes, words }, at, column, row) => {
  const place = ((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2) + row
  const arena = at + (words[column + COLUMN.arenaAt] >>> 0)
  return bytes.utf8Slice(arena + (words[place] >>> 0), arena + (words[place + 1] >>> 0))
}
texts[KIND.bytes] = ({ bytes, words }, at, column, row) => {
  const place = ((at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2) + row
  const arena = at + (words[column + COLUMN.arenaAt] >>> 0)
  const [from, to] = [arena + (words[place] >>> 0), arena + (words[place + 1] >>> 0)]
  // Text that is not UTF-8 came as it is; all else is a bytea.
  return words[column + COLUMN.format] === 0 ? bytes.utf8Slice(from, to) : '\\x' + bytes.hexSlice(from, to)
}

module.exports = { texts, floatText, int8Text }
