'use strict'

// What a pool's options are where the program does not say it.

/** @param {number | undefined} limit the most connections, as the library has read it */
function setDefaults(options, limit) {
  options.max = limit ?? (options.max || options.poolSize || defaultMax())
  options.min ||= 0
  options.maxUses ||= Infinity
  options.maxLifetimeSeconds ??= 1800
  options.idleTimeoutMillis ??= 15000
  options.allowExitOnIdle ??= true
}

function defaultMax() {
  return (process.env.HOLDFAST_ENV || process.env.NODE_ENV) === 'production' ? 8 : 5
}

const MILLIS = { us: 1e-3, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** In milliseconds, from what the library has accepted when the pool was opened: a number, or '5s'. */
function closeTimeout(options) {
  const given = options.closeTimeout ?? options.close_timeout ?? process.env.HOLDFAST_CLOSE_TIMEOUT ?? 5000
  const [, count, unit] = /^(\d+)\s*([a-z]*)$/.exec(String(given).trim()) ?? []
  return Number(count ?? 5000) * (MILLIS[unit] ?? 1)
}

module.exports = { setDefaults, defaultMax, closeTimeout }
