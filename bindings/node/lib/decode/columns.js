'use strict'

const { COLUMN, KIND, HAS_NULLS, ASCII } = require('./pack')
const { texts, int8Text } = require('./texts')
const { instant, local, day, infiniteMicros } = require('./times')

/**
 * Values of one column, several rows at once, into `out` from `to` on: a loop for each kind, shared by all results, so that
 * they are hot from the first queries on. What is written for a NULL is overwritten afterwards.
 */

const TIMESTAMPTZ = 1184

/**
 * The most text that is read in one piece and cut up. One call for many values is several times as fast as one for each,
 * but a piece cut off keeps the whole alive: so a program that keeps one value of a large result keeps no more than this.
 */
const MOST_AT_ONCE = 4096

const place32 = (words, at, column) => (at + (words[column + COLUMN.valuesAt] >>> 0)) >>> 2

function bool({ bytes, words }, at, column, from, count, out, to) {
  const values = at + (words[column + COLUMN.valuesAt] >>> 0) + from
  for (let i = 0; i < count; i++) out[to + i] = bytes[values + i] !== 0
}

function i32({ words }, at, column, from, count, out, to) {
  const values = place32(words, at, column) + from
  for (let i = 0; i < count; i++) out[to + i] = words[values + i]
}

function u32({ words }, at, column, from, count, out, to) {
  const values = place32(words, at, column) + from
  for (let i = 0; i < count; i++) out[to + i] = words[values + i] >>> 0
}

function i64({ words }, at, column, from, count, out, to) {
  const values = place32(words, at, column) + 2 * from
  for (let i = 0; i < count; i++) out[to + i] = int8Text(words[values + 2 * i], words[values + 2 * i + 1])
}

function f64(buffer, at, column, from, count, out, to) {
  const doubles = buffer.doubles
  const values = ((at + (buffer.words[column + COLUMN.valuesAt] >>> 0)) >>> 3) + from
  for (let i = 0; i < count; i++) out[to + i] = doubles[values + i]
}

function days({ words }, at, column, from, count, out, to) {
  const values = place32(words, at, column) + from
  for (let i = 0; i < count; i++) out[to + i] = day(words[values + i])
}

function micros({ words }, at, column, from, count, out, to) {
  const values = place32(words, at, column) + 2 * from
  const read = words[column + COLUMN.type] === TIMESTAMPTZ ? instant : local
  for (let i = 0; i < count; i++) {
    const low = words[values + 2 * i]
    const high = words[values + 2 * i + 1]
    out[to + i] = infiniteMicros(low, high) ?? read(low, high)
  }
}

function text({ bytes, words }, at, column, from, count, out, to) {
  const places = place32(words, at, column) + from
  const arena = at + (words[column + COLUMN.arenaAt] >>> 0)
  let start = words[places] >>> 0
  if ((words[column + COLUMN.flags] & ASCII) === 0) {
    for (let i = 0; i < count; i++) {
      const end = words[places + i + 1] >>> 0
      out[to + i] = bytes.utf8Slice(arena + start, arena + end)
      start = end
    }
    return
  }
  const last = words[places + count] >>> 0
  if (count > 1 && last - start <= MOST_AT_ONCE) {
    const whole = bytes.latin1Slice(arena + start, arena + last)
    let cut = 0
    for (let i = 0; i < count; i++) {
      const end = (words[places + i + 1] >>> 0) - start
      out[to + i] = whole.substring(cut, end)
      cut = end
    }
    return
  }
  for (let i = 0; i < count; i++) {
    const end = words[places + i + 1] >>> 0
    out[to + i] = bytes.latin1Slice(arena + start, arena + end)
    start = end
  }
}

function bytea({ bytes, words }, at, column, from, count, out, to) {
  const places = place32(words, at, column) + from
  const arena = at + (words[column + COLUMN.arenaAt] >>> 0)
  let start = words[places] >>> 0
  for (let i = 0; i < count; i++) {
    const end = words[places + i + 1] >>> 0
    // A copy, since a view would keep the whole result alive and let a program that writes to the value change it.
    out[to + i] = Buffer.from(bytes.subarray(arena + start, arena + end))
    start = end
  }
}

const readers = []
Object.assign(readers, {
  [KIND.bool]: bool,
  [KIND.i32]: i32,
  [KIND.i64]: i64,
  [KIND.u32]: u32,
  [KIND.f64]: f64,
  [KIND.days]: days,
  [KIND.micros]: micros,
  [KIND.text]: text,
  [KIND.bytes]: bytea,
})

function isNull({ bytes }, nulls, row) {
  return ((bytes[nulls + (row >>> 3)] >>> (row & 7)) & 1) !== 0
}

/** Where the bits of NULLs of a column are, or 0 for none. */
function nullsOf({ words }, at, column) {
  return (words[column + COLUMN.flags] & HAS_NULLS) === 0 ? 0 : at + (words[column + COLUMN.nullsAt] >>> 0)
}

/** Values as they lie there, read by their kind. */
function readColumn(buffer, at, column, from, count, out, to) {
  const kind = buffer.words[column + COLUMN.kind]
  const read = readers[kind]
  if (read === undefined) {
    throw new Error(`a column of the pack is of kind ${kind}, which this package does not know: the addon and lib/ are of different releases, so install again`)
  }
  read(buffer, at, column, from, count, out, to)
  const nulls = nullsOf(buffer, at, column)
  if (nulls === 0) return
  for (let i = 0; i < count; i++) if (isNull(buffer, nulls, from + i)) out[to + i] = null
}

/** Values as a parser makes them of the server's text. Like node-postgres, never calls it for NULL. */
function parseColumn(buffer, at, column, parser, from, count, out, to) {
  const kind = buffer.words[column + COLUMN.kind]
  const nulls = nullsOf(buffer, at, column)
  if (kind === KIND.text) {
    text(buffer, at, column, from, count, out, to)
    for (let i = 0; i < count; i++) {
      out[to + i] = nulls !== 0 && isNull(buffer, nulls, from + i) ? null : parser(out[to + i])
    }
    return
  }
  const textOf = texts[kind]
  for (let i = 0; i < count; i++) {
    out[to + i] = nulls !== 0 && isNull(buffer, nulls, from + i) ? null : parser(textOf(buffer, at, column, from + i))
  }
}

module.exports = { readColumn, parseColumn, isNull, nullsOf }
