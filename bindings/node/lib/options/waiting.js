'use strict'

// How long a request waits for a connection. `connectionTimeoutMillis` is the limit of the whole: the queue, opening, retries and
// the waits between them. `connectionTimeout` is the limit of one attempt.

const DEFAULT_WHOLE_MILLIS = 8000
/** As node-postgres has it, 0 is no limit; an hour comes near that for one attempt. */
const LONGEST_ATTEMPT = 3_600_000
/** The whole ends the retries, unless the program gives a number. */
const UNCOUNTED_RETRIES = 1000
/** Between two attempts at most, so that the whole has several. */
const RETRY_MAX_DELAY = 2000

/**
 * @param {object} options with those of the connection string
 * @param {(key: string) => boolean} isGiven whether an option of the library is given, by whatever way
 * @returns {{ limit: number, pairs: string[][] }} `limit` of the whole in milliseconds, 0 for none, and what the library is told
 */
function readWaiting({ connectionTimeoutMillis: given }, isGiven) {
  const isAttemptGiven = isGiven('connection_timeout')
  const isOpen = given === undefined || given === null || Number.isNaN(given)
  if (isOpen && isAttemptGiven) return { limit: 0, pairs: [] }
  const read = isOpen ? DEFAULT_WHOLE_MILLIS : Number(given)
  if (Number.isNaN(read) || read < 0) throw new TypeError(`connectionTimeoutMillis must be a number from 0 on, not ${JSON.stringify(given)}: give milliseconds, such as 15000`)
  const limit = Math.ceil(read)
  const pairs = isAttemptGiven ? [] : [['connection_timeout', `${limit || LONGEST_ATTEMPT}ms`]]
  if (limit > 0 && !isGiven('retry_max')) pairs.push(['retry_max', String(UNCOUNTED_RETRIES)])
  if (limit > 0 && !isGiven('retry_max_delay') && !isGiven('retry_base_delay')) pairs.push(['retry_max_delay', `${RETRY_MAX_DELAY}ms`])
  return { limit, pairs }
}

module.exports = { DEFAULT_WHOLE_MILLIS, readWaiting }
