'use strict'

// The size of a query's parameters, which is checked before anything is written or sent.

const { isUint8Array } = require('node:util/types')

/** The most that the server takes in one Bind message (PQ_LARGE_MESSAGE_LIMIT). */
const MOST_BYTES = 2 ** 30 - 1
/** Each value is sent with its length. */
const LENGTH_BYTES = 4
/** One unit of UTF-16 takes at most three bytes. */
const MOST_BYTES_A_UNIT = 3

function bytesOf(value) {
  if (typeof value === 'string') return Buffer.byteLength(value)
  return isUint8Array(value) ? value.byteLength : 0
}

/**
 * Throws if the values are more than the server takes. A length beyond 2^31 does not fit into the protocol: one that wrapped
 * would move the bytes of one value into the place of another (CVE-2024-27304 in pgx).
 * @param {readonly (string | Uint8Array | null | undefined)[]} values prepared ones
 */
function checkSize(values) {
  const count = values.length
  let most = 0
  for (let i = 0; i < count; i++) {
    const length = values[i]?.length
    if (length !== undefined) most += length * MOST_BYTES_A_UNIT
  }
  if (most + count * LENGTH_BYTES <= MOST_BYTES) return
  let bytes = 0
  for (let i = 0; i < count; i++) {
    bytes += LENGTH_BYTES + bytesOf(values[i])
    if (bytes > MOST_BYTES) {
      throw new RangeError(`the parameters up to $${i + 1} have ${bytes} bytes, and PostgreSQL takes at most ${MOST_BYTES} in one message: send the value in parts`)
    }
  }
}

module.exports = { checkSize, MOST_BYTES }
