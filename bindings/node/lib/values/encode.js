'use strict'

const { isUint8Array } = require('node:util/types')
const { prepareValue } = require('./prepare')
const { checkSize } = require('./size')

/**
 * Parameters in one buffer, which the addon reads and the library copies before the call returns: so it is used again for
 * the next query. Of each value: its length as int32 or -1 for NULL, 0 or 1 for text or binary in a byte, three bytes of
 * nothing, and its bytes up to the next multiple of 4. Lengths have their lowest byte first. No bit operator touches a length
 * or a position: they wrap at 2^31.
 */

const FIRST_SIZE = 4096
/** A buffer that one huge parameter made larger is given up again. */
const MOST_KEPT = 2 ** 20
const HEAD = 8
const ALIGNMENT = 4
const NULL = -1
/** Shorter text is faster to copy here than by a call into Node. */
const SHORT = 32

let buffer = Buffer.allocUnsafeSlow(FIRST_SIZE)
const encoded = { buffer, length: 0, count: 0 }

function reserve(at, size) {
  if (at + size <= buffer.length) return
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, at + size))
  buffer.copy(larger, 0, 0, at)
  buffer = larger
}

/** Writes short text of ASCII and returns its length, or -1 if it is other text. */
function writeShort(text, at) {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return -1
    buffer[at + i] = code
  }
  return text.length
}

function writeText(text, at) {
  if (text.length <= SHORT) {
    reserve(at, HEAD + SHORT)
    const length = writeShort(text, at + HEAD)
    if (length >= 0) return length
  }
  // Three bytes are the most that one unit of UTF-16 takes; counting first would look at all text twice.
  reserve(at, HEAD + (text.length > MOST_KEPT ? Buffer.byteLength(text) : text.length * 3))
  return buffer.utf8Write(text, at + HEAD)
}

function padded(length) {
  const over = length % ALIGNMENT
  return over === 0 ? length : length + ALIGNMENT - over
}

function writeValue(value, at) {
  let length = NULL
  let format = 0
  if (typeof value === 'string') {
    length = writeText(value, at)
  } else if (value === null || value === undefined) {
    reserve(at, HEAD)
  } else if (isUint8Array(value)) {
    reserve(at, HEAD + value.length)
    buffer.set(value, at + HEAD)
    length = value.length
    format = 1
  } else {
    // An object whose toString gives no string, which node-postgres cannot send either.
    throw new TypeError(`a parameter became a ${typeof value} where text was needed: give a string, or an object whose toPostgres() returns one`)
  }
  buffer.writeInt32LE(length, at)
  buffer[at + 4] = format
  return at + HEAD + (length > 0 ? padded(length) : 0)
}

/**
 * Encodes the parameters of a query. What is returned is valid until the next call.
 * @param {readonly unknown[] | null | undefined} values
 * @returns {{ buffer: Buffer, length: number, count: number }}
 */
function encodeValues(values) {
  if (buffer.length > MOST_KEPT) buffer = Buffer.allocUnsafeSlow(FIRST_SIZE)
  const count = values ? values.length : 0
  // All of them first: a toPostgres() may run a query itself, which would write over this one's.
  let prepared = values
  for (let i = 0; i < count; i++) {
    if (typeof values[i] !== 'string') {
      prepared = Array.from(values, prepareValue)
      break
    }
  }
  if (count > 0) checkSize(prepared)
  let at = 0
  for (let i = 0; i < count; i++) at = writeValue(prepared[i], at)
  reserve(at, 4)
  encoded.buffer = buffer
  encoded.length = at
  encoded.count = count
  return encoded
}

module.exports = { encodeValues }
