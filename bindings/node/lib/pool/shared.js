'use strict'

// One pool for a process and a target, on request: when modules are loaded again, as development servers do, and across
// worker threads.

const { createHash } = require('node:crypto')

/** On the global object, since a module that is loaded again has new variables. */
const PLACE = Symbol.for('pg-holdfast.shared')
const pools = (globalThis[PLACE] ??= new Map())

const digest = (value) => createHash('sha256').update(JSON.stringify(value)).digest('hex')

function checkNamed(options, functions) {
  if (functions.length === 0 || options.name || typeof options.shared === 'string') return
  throw new TypeError(`a shared pool cannot tell whether the function given as ${functions.join(' and ')} is the one of before: give the pool a name, as in Pool.shared({ name: 'shop', ... })`)
}

/**
 * Two functions of the same text may have captured different things, such as a tenant's password, and a module that is loaded
 * again makes new ones that are meant to be the same: which it is only the program knows, and says by a name.
 */
function keyOf(options) {
  const functions = []
  const plain = JSON.parse(JSON.stringify(options, (name, value) => {
    if (typeof value === 'function') functions.push(name)
    return value
  }))
  checkNamed(options, functions)
  return digest(Object.entries(plain).sort(([a], [b]) => (a < b ? -1 : 1)))
}

const Shared = {
  /** The pool of these options: the one there is, or a new one. */
  pool(Pool, given = {}) {
    const options = typeof given === 'string' ? { connectionString: given } : given
    const key = keyOf(options)
    const found = pools.get(key)
    if (found !== undefined && !found.ending) return found
    const pool = new Pool({ ...options, shared: options.shared ?? true })
    pools.set(key, pool)
    return pool
  },

  /** The name under which threads of this process find the library's pool. A digest, since there may be a password in it. */
  nameOf(pairs, options) {
    const { shared, password } = options
    const asks = typeof password === 'function'
    if (asks) checkNamed(options, ['password'])
    return digest([pairs, typeof shared === 'string' ? shared : '', asks])
  },
}

module.exports = { Shared }
