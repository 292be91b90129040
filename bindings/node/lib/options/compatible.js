'use strict'

// The option `compatible: 'pg'`: node-postgres' defaults, wherever this package's differ on purpose. What the program gives itself
// comes before them.

const HOUR = 3_600_000

const OF_PG = {
  max: 10,
  connectionTimeoutMillis: 0,
  idleTimeoutMillis: 10_000,
  maxLifetimeSeconds: 0,
  allowExitOnIdle: false,
  closeOnError: true,
  retryMax: 0,
  breakerAfter: 0,
  fleetShare: false,
  // An idle connection is handed out as it is.
  validateAfterIdle: HOUR,
  // Statements without a name are parsed each time.
  statementCache: 0,
  closeTimeout: HOUR,
}

/** The options under which a program may have given the same. */
const ALSO = {
  max: ['poolSize', 'maxSize', 'max_size'],
  connectionTimeoutMillis: ['connectionTimeout', 'connection_timeout'],
  idleTimeoutMillis: ['idleTimeout', 'idle_timeout'],
  maxLifetimeSeconds: ['maxLifetime', 'max_lifetime'],
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Gives options the defaults that they ask for, in place. */
function fillCompatible(options) {
  const { compatible } = options
  if (compatible === undefined || compatible === null) return options
  if (compatible !== 'pg') throw new TypeError(`compatible must be 'pg', not ${JSON.stringify(compatible)}: leave it out for this package's defaults`)
  for (const [name, value] of Object.entries(OF_PG)) {
    const names = [name, snake(name), ...(ALSO[name] ?? [])]
    if (names.every((each) => options[each] === undefined || options[each] === null)) options[name] = value
  }
  return options
}

module.exports = { fillCompatible }
