'use strict'

/**
 * Dates and timestamps from the server's text, as they come while TimeZone is not UTC. postgres-date reads them with several
 * regular expressions; this reads what nearly all of them are, in a fraction of the time, and leaves the rest to it.
 */

const ZERO = 48
const DASH = 45
const PLUS = 43
const SPACE = 32
const COLON = 58
const DOT = 46

const TENS = [1, 10, 100, 1000, 10000, 100000, 1000000]

/** Two digits, or a number that is below 0. */
function two(text, at) {
  const tens = text.charCodeAt(at) - ZERO
  const ones = text.charCodeAt(at + 1) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1
}

/** Seconds of an offset such as +02, -03:30 or +00:19:32 that goes to the end; NaN if it is something else. */
function offsetAt(text, at) {
  const sign = text.charCodeAt(at)
  if (sign !== PLUS && sign !== DASH) return NaN
  let offset = 0
  let unit = 3600
  for (let i = at + 1; ; i += 3) {
    const part = two(text, i)
    if (part < 0) return NaN
    offset += part * unit
    unit /= 60
    if (i + 2 === text.length) return sign === DASH ? -offset : offset
    if (text.charCodeAt(i + 2) !== COLON || unit < 1) return NaN
  }
}

/**
 * A Date, as postgres-date makes it of this text; undefined for what is not `2024-05-01`, `2024-05-01 12:00:00` or
 * `2024-05-01 12:00:00.123456+02`. Years below 100 and of five digits, BC and infinity are of that kind.
 */
function dateOfText(text) {
  const century = two(text, 0)
  const rest = two(text, 2)
  const month = two(text, 5)
  const day = two(text, 8)
  if (century < 1 || rest < 0 || month < 0 || day < 0 || text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return undefined
  const year = century * 100 + rest
  const length = text.length
  if (length === 10) return new Date(year, month - 1, day)
  const hour = two(text, 11)
  const minute = two(text, 14)
  const second = two(text, 17)
  if (hour < 0 || minute < 0 || second < 0) return undefined
  if (text.charCodeAt(10) !== SPACE || text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return undefined
  let at = 19
  let milliseconds = 0
  if (text.charCodeAt(at) === DOT) {
    let fraction = 0
    let digits = 0
    for (at += 1; at < length && digits < 6; at++, digits++) {
      const digit = text.charCodeAt(at) - ZERO
      if (digit < 0 || digit > 9) break
      fraction = fraction * 10 + digit
    }
    if (digits === 0) return undefined
    milliseconds = 1000 * (fraction / TENS[digits])
  }
  if (at === length) return new Date(year, month - 1, day, hour, minute, second, milliseconds)
  const offset = offsetAt(text, at)
  if (offset !== offset) return undefined
  const utc = Date.UTC(year, month - 1, day, hour, minute, second, milliseconds)
  return new Date(utc - offset * 1000)
}

module.exports = { dateOfText }
