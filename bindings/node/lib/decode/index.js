'use strict'

const { PackBuffer, checkPack, HEADER, COLUMN, KIND } = require('./pack')
const { readColumn, parseColumn } = require('./columns')
const { parseBinaryColumn } = require('./binary')
const { shapeOf } = require('./shape')
const { types: defaultTypes, readerFor } = require('./parsers')
const { Result, Field, applyTag } = require('./result')
const { now } = require('../node/timers')

/**
 * @typedef {object} DecodeOptions
 * @property {string} [rowMode] 'array' for rows as arrays
 * @property {{ getTypeParser(oid: number, format?: string): Function }} [types] where parsers come from; else pg-types
 * @property {boolean} [binary] whether the query asked for binary results: parsers are then called with bytes
 */

/** Rows that are decoded at once: their values lie in one array, column by column, before rows are made of them. */
const ROWS_AT_ONCE = 64
/** How many values that array may have, beyond which fewer rows are taken. */
const CELLS_AT_ONCE = 8192
/** How many rows decodeWithin reads between two looks at the clock. */
const ROWS_BETWEEN_LOOKS = 64

/**
 * Values on their way into rows. One array for all, so that the engine has settled what it holds; taken out while it is in
 * use, as a parser may run anything.
 */
let spareCells = []

/** A result being decoded. */
class Decoding {
  constructor(buffer, at, options) {
    const words = buffer.words
    const header = at >>> 2
    this.buffer = buffer
    this.at = at
    this.total = words[header + HEADER.rows] >>> 0
    this.next = 0
    this.width = words[header + HEADER.columns]
    this.first = (at + words[header + HEADER.columnsAt]) >>> 2
    this.step = words[header + HEADER.columnSize] >>> 2
    this.result = new Result()
    this.asArray = options?.rowMode === 'array'
    this.append = undefined
    this.parsers = undefined
    const tag = at + (words[header + HEADER.tagAt] >>> 0)
    applyTag(this.result, buffer.bytes.latin1Slice(tag, tag + words[header + HEADER.tagLength]))
    if (this.width > 0) this.columns(options)
  }

  columns(options) {
    const { buffer, at, first, step, width } = this
    const shape = shapeOf(buffer, at, first, step, width)
    const result = this.result
    result.fields = shape.fields()
    this.append = shape.appender(this.asArray)
    const types = options?.types || defaultTypes
    this.binary = Boolean(options?.binary)
    this.parsers = new Array(width)
    const words = buffer.words
    for (let i = 0, column = first; i < width; i++, column += step) {
      const field = result.fields[i]
      const isBinary = this.binary && field.format === 'binary'
      // Binary where it was not asked for is this library's own affair, and not seen from outside.
      if (!isBinary) field.format = 'text'
      const parser = types.getTypeParser(field.dataTypeID, field.format)
      this.parsers[i] = isBinary ? parser : readerFor(parser, field.dataTypeID, words[column + COLUMN.kind] === KIND.text)
    }
  }

  get done() {
    return this.next >= this.total
  }
}

/**
 * Begins to decode the pack at byte `at` of a buffer. The result has everything but its rows.
 * @param {Uint8Array | PackBuffer} bytes
 * @param {DecodeOptions} [options]
 */
function beginResult(bytes, options, at = 0) {
  const buffer = bytes instanceof PackBuffer ? bytes : new PackBuffer(bytes)
  checkPack(buffer, at)
  return new Decoding(buffer, at, options)
}

/** Appends rows `from` up to `to` to `decoding.result.rows`. What a parser throws is thrown. */
function decodeRows(decoding, from = decoding.next, to = decoding.total) {
  const { buffer, at, first, step, width, parsers, binary, result } = decoding
  to = Math.min(to, decoding.total)
  decoding.next = Math.max(decoding.next, to)
  if (width === 0) {
    for (let row = from; row < to; row++) result.rows.push(decoding.asArray ? [] : {})
    return
  }
  const cells = spareCells ?? []
  spareCells = undefined
  const most = Math.max(1, Math.min(ROWS_AT_ONCE, Math.floor(CELLS_AT_ONCE / width)))
  const used = Math.min(most, to - from) * width
  try {
    while (from < to) {
      const count = Math.min(most, to - from)
      for (let i = 0, column = first; i < width; i++, column += step) {
        const parser = parsers[i]
        if (parser === null) {
          readColumn(buffer, at, column, from, count, cells, i * count)
        } else if (binary && result.fields[i].format === 'binary') {
          parseBinaryColumn(buffer, at, column, parser, from, count, cells, i * count)
        } else {
          parseColumn(buffer, at, column, parser, from, count, cells, i * count)
        }
      }
      decoding.append(cells, count, result.rows)
      from += count
    }
  } finally {
    // It must keep no value alive, and no room that hardly any result needs.
    if (cells.length <= CELLS_AT_ONCE) spareCells = cells.fill(undefined, 0, used)
    else spareCells = []
  }
}

/**
 * Decodes on for some milliseconds, and returns whether that was all: so a large result need not hold the event loop.
 */
function decodeWithin(decoding, milliseconds) {
  if (decoding.total - decoding.next <= ROWS_BETWEEN_LOOKS) {
    decodeRows(decoding)
    return true
  }
  const end = now() + milliseconds
  do {
    decodeRows(decoding, decoding.next, decoding.next + ROWS_BETWEEN_LOOKS)
  } while (!decoding.done && now() < end)
  return decoding.done
}

/**
 * Decodes the pack of one statement's result, whole.
 * @param {Uint8Array | PackBuffer} bytes
 * @param {DecodeOptions} [options]
 * @returns {Result}
 */
function decodeResult(bytes, options, at = 0) {
  const decoding = beginResult(bytes, options, at)
  decodeRows(decoding)
  return decoding.result
}

module.exports = { decodeResult, beginResult, decodeRows, decodeWithin, PackBuffer, Result, Field }
