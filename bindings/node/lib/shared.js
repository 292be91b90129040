'use strict'

// One pool for a process and a target, on request: when modules are loaded again, as development servers do, and across
// worker threads.

const { createHash } = require('node:crypto')

/** On the global object, since a module that is loaded again has new variables. */
const PLACE = Symbol.for('pg-holdfast.shared')
const pools = (globalThis[PLACE] ??= new Map())

function key(options = {}) {
  const parts = Object.entries(options).filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(parts, (_, value) => (typeof value === 'function' ? String(value) : value))
}

const Shared = {
  /** The pool of these options: the one there is, or a new one. */
  pool(Pool, options) {
    const name = key(options)
    const found = pools.get(name)
    if (found !== undefined && !found.ending) return found
    const pool = new Pool({ ...options, shared: options?.shared ?? true })
    pools.set(name, pool)
    return pool
  },

  /** The name under which threads of this process find the library's pool. A digest, since there may be a password in it. */
  nameOf(pairs, shared) {
    return createHash('sha256').update(JSON.stringify([pairs, typeof shared === 'string' ? shared : ''])).digest('hex')
  },
}

module.exports = { Shared }
