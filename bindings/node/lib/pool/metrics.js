'use strict'

const { EventEmitter } = require('node:events')
const { addon, NONE, promise, now } = require('../native')

/** Where counts are put: idle, in use, opening, waiting, limit, cap. */
const counts = new Float64Array(6)
const METRICS = { prometheus: 1, openmetrics: 2, json: 3, text: 4 }
const BEYOND_LOOPBACK = 1

/** What a pool shows of itself: node-postgres' counters, and what the library measures. */
class PoolMetrics extends EventEmitter {
  get totalCount() {
    const [idle, inUse, opening, , limit] = this._counts()
    return Math.max(idle + inUse + opening, Math.min(this._busy, limit))
  }

  get idleCount() {
    return Math.max(0, this.totalCount - this._busy)
  }

  get waitingCount() {
    return Math.max(0, this._busy - this._counts()[4])
  }

  /** Sessions in hand that are past their age: they are closed at their return, as idle ones are at once. */
  get expiredCount() {
    const oldest = Date.now() - this.options.maxLifetimeSeconds * 1000
    let count = 0
    if (this.options.maxLifetimeSeconds > 0) for (const client of this._checkedOut) if (client._openedAt <= oldest) count += 1
    return count
  }

  _counts() {
    if (this._handle === NONE) counts.fill(0).fill(this.ending ? 0 : this.options.max, 4)
    else addon.counts(this._handle, counts)
    return counts
  }

  /** How the pool stands and what it has done. */
  stats() {
    return now(addon.stats(this._usable()))
  }

  /** Whether it can do its work, by what is known: the server is not asked. */
  health() {
    return now(addon.health(this._usable()))
  }

  /** All that was measured, as 'prometheus' (default), 'openmetrics', 'json' (an object) or 'text' for people. */
  metrics(format = 'prometheus') {
    const number = METRICS[format]
    if (number === undefined) throw new TypeError(`the format of metrics is one of ${Object.keys(METRICS).join(', ')}, not ${String(format)}`)
    const text = now(addon.metrics(this._usable(), number))
    return format === 'json' ? JSON.parse(text) : text
  }

  /** Who holds the connections, joined with what the server says: 'text' (default) or 'json' (an object). */
  async explainExhaustion(format = 'text') {
    if (format !== 'text' && format !== 'json') throw new TypeError(`the format is 'text' or 'json', not ${String(format)}`)
    const text = await promise((tag) => addon.explainExhaustion(this._usable(), tag, METRICS[format]))
    return format === 'json' ? JSON.parse(text) : text
  }

  /** Closes every idle session now, for a process about to be frozen. Returns how many those were. */
  releaseIdle() {
    return promise((tag) => addon.releaseIdle(this._usable(), tag))
  }

  /** Serves metrics, health and a dashboard over HTTP: { url, close() }. */
  serve(address = '127.0.0.1:0', { token = '', beyondLoopback = false } = {}) {
    const { server, url } = now(addon.serve(this._usable(), address, token, beyondLoopback ? BEYOND_LOOPBACK : 0))
    return { url, close: () => addon.endServing(server) }
  }

  /** Where it leads to, as host:port. */
  get target() {
    return this._handle === NONE ? '' : addon.target(this._usable())
  }
}

module.exports = { PoolMetrics }
