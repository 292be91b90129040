'use strict'

/**
 * Dates and timestamps from their binary form. postgres-date, which node-postgres uses, reads the server's text; what it does
 * with it is done here with the same calls, so that the values are the same to the last millisecond, oddities included.
 */

/** Milliseconds from 1970-01-01 to 2000-01-01, from which the server counts. */
const EPOCH_MS = 946684800000
const DAY_MS = 86400000

const INFINITE_DAYS = 0x7fffffff
const MINUS_INFINITE_DAYS = -0x80000000

// Within these the constructors of Date take a year for one of the 20th century, and postgres-date sets it afterwards.
const YEAR_0_MS = Date.UTC(2000, 0, 1) - 730485 * DAY_MS
const YEAR_100_MS = YEAR_0_MS + 36525 * DAY_MS

/**
 * Splits microseconds since 2000-01-01 in two words into milliseconds since 1970 of the full second, and the rest in
 * microseconds. Beyond 285 years from 2000 a double cannot hold them.
 */
function fullSecond(low, high, out) {
  if (high >= -0x200000 && high < 0x200000) {
    const micros = high * 4294967296 + (low >>> 0)
    const seconds = Math.floor(micros / 1e6)
    out.ms = seconds * 1000 + EPOCH_MS
    out.micros = micros - seconds * 1e6
  } else {
    const micros = (BigInt(high) << 32n) | BigInt(low >>> 0)
    const rest = ((micros % 1000000n) + 1000000n) % 1000000n
    out.ms = Number((micros - rest) / 1000n) + EPOCH_MS
    out.micros = Number(rest)
  }
  return out
}

const split = { ms: 0, micros: 0 }

/** Infinity and its opposite, which postgres-date gives as numbers; else undefined. */
function infiniteMicros(low, high) {
  if (high === 0x7fffffff && low === -1) return Infinity
  if (high === -0x80000000 && low === 0) return -Infinity
  return undefined
}

/** As postgres-date computes them, in the same order of operations. */
function fraction(micros) {
  return micros === 0 ? 0 : 1000 * (micros / 1e6)
}

/** A timestamptz. */
function instant(low, high) {
  const { ms, micros } = fullSecond(low, high, split)
  if (ms >= YEAR_0_MS && ms < YEAR_100_MS) {
    const of = new Date(ms)
    const year = of.getUTCFullYear()
    const date = new Date(
      Date.UTC(year, of.getUTCMonth(), of.getUTCDate(), of.getUTCHours(), of.getUTCMinutes(), of.getUTCSeconds(), fraction(micros))
    )
    date.setUTCFullYear(year)
    return date
  }
  return new Date(ms + Math.trunc(fraction(micros)))
}

/** A timestamp without zone: the moment at which clocks in the zone of this process show it. */
function local(low, high) {
  const { ms, micros } = fullSecond(low, high, split)
  const of = new Date(ms)
  const year = of.getUTCFullYear()
  const date = new Date(
    year, of.getUTCMonth(), of.getUTCDate(), of.getUTCHours(), of.getUTCMinutes(), of.getUTCSeconds(), fraction(micros)
  )
  if (year >= 0 && year < 100) date.setFullYear(year)
  return date
}

/** A date: its midnight in the zone of this process. */
function day(days) {
  if (days === INFINITE_DAYS) return Infinity
  if (days === MINUS_INFINITE_DAYS) return -Infinity
  const of = new Date(days * DAY_MS + EPOCH_MS)
  const year = of.getUTCFullYear()
  const date = new Date(year, of.getUTCMonth(), of.getUTCDate())
  if (year >= 0 && year < 100) date.setFullYear(year)
  return date
}

const two = (n) => (n < 10 ? '0' + n : '' + n)

/** Year, month and day of a count of days since 2000-01-01, which may be beyond what Date can hold. */
function civil(days) {
  // Date repeats every 400 years, so any day is looked at in one of those that it has.
  const turns = Math.floor(days / 146097)
  const of = new Date((days - turns * 146097) * DAY_MS + EPOCH_MS)
  const year = of.getUTCFullYear() + turns * 400
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0')
  return { text: `${shown}-${two(of.getUTCMonth() + 1)}-${two(of.getUTCDate())}`, bc: year <= 0 }
}

/** The server's text of a date. */
function dayText(days) {
  if (days === INFINITE_DAYS) return 'infinity'
  if (days === MINUS_INFINITE_DAYS) return '-infinity'
  const { text, bc } = civil(days)
  return bc ? text + ' BC' : text
}

/** The server's text of a timestamp; zone is '+00' for timestamptz, which comes in binary only while TimeZone is UTC. */
function microsText(low, high, zone) {
  const infinite = infiniteMicros(low, high)
  if (infinite !== undefined) return infinite > 0 ? 'infinity' : '-infinity'
  const { ms, micros } = fullSecond(low, high, split)
  const days = Math.floor((ms - EPOCH_MS) / DAY_MS)
  const seconds = (ms - EPOCH_MS - days * DAY_MS) / 1000
  const { text, bc } = civil(days)
  let time = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  if (micros !== 0) time += '.' + String(micros).padStart(6, '0').replace(/0+$/, '')
  return `${text} ${time}${zone}${bc ? ' BC' : ''}`
}

module.exports = { instant, local, day, dayText, microsText, infiniteMicros }
