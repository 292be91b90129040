'use strict'

// The size of a pool while it runs, and whether its server answers.

const { inspect } = require('node:util')
const { addon, promise } = require('../native')
const { DEFAULT_WHOLE_MILLIS } = require('../options/waiting')
const { PoolMetrics } = require('./metrics')

/** The library's own bound on a pool. */
const MOST_CONNECTIONS = 10_000
/** Some 24 days, as for Node's own timers. */
const LONGEST_TIMEOUT = 2 ** 31 - 1

function whole(value, what, least, most) {
  if (!Number.isInteger(value) || value < least || value > most) throw new TypeError(`${what} must be a whole number from ${least} to ${most}, not ${inspect(value)}`)
  return value
}

const milliseconds = (value) => whole(value, 'timeoutMillis', 1, LONGEST_TIMEOUT)

/** What a program changes and asks of a pool that runs. */
class PoolSizes extends PoolMetrics {
  /** Sets the most connections, in place of the option `max`. A smaller pool closes the surplus as it comes back. */
  async setMaxSize(max) {
    await promise((tag) => addon.setMaxSize(this._usable(), tag, whole(max, 'the most connections of a pool', 1, MOST_CONNECTIONS)))
    this.options.max = max
  }

  /** Waits until so many connections are open, and opens what is missing. Without a number: as many as `min`. */
  async waitUntilWarm(connections = this.options.min, { timeoutMillis = DEFAULT_WHOLE_MILLIS } = {}) {
    whole(connections, 'the number of connections to open', 0, MOST_CONNECTIONS)
    await promise((tag) => addon.waitUntilWarm(this._usable(), tag, connections, milliseconds(timeoutMillis)))
  }

  /** Asks the server whether it can be used now, where health() tells what is known already. */
  async ping({ timeoutMillis = DEFAULT_WHOLE_MILLIS } = {}) {
    await promise((tag) => addon.ping(this._usable(), tag, milliseconds(timeoutMillis)))
  }
}

module.exports = { PoolSizes }
