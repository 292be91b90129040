'use strict'

// What happens in the library's pool, as events of the JavaScript one.

const { Client } = require('./client')
const { HoldfastError, toError } = require('./errors')

/** The library's constants. */
const KIND = {
  1: 'opened', 2: 'open_failed', 3: 'closed', 7: 'retried', 8: 'timed_out', 9: 'limit_moved', 10: 'circuit_moved', 11: 'leak_suspected',
  12: 'server_message', 13: 'rolled_back', 14: 'alert_raised', 15: 'alert_cleared', 16: 'exhaustion_explained',
}

/** Under which name each is emitted, besides 'happening', which all are. */
const EVENTS = {
  retried: 'retry',
  limit_moved: 'limit',
  circuit_moved: 'breaker',
  alert_raised: 'alert',
  alert_cleared: 'alert',
  leak_suspected: 'leak',
  exhaustion_explained: 'exhaustion',
}

/** Why an idle session is closed that is of no use any more. One that breaks while in use is told to who uses it. */
const FOUND_DEAD = 'validation_failed'

/** @param {import('./pool')} pool */
function translate(pool, happening) {
  const name = KIND[happening.kind]
  const told = { ...happening, kind: name ?? `kind ${happening.kind}` }
  if (happening.error !== undefined) told.error = toError(happening.error)
  if (name === 'opened') pool._openedAt.set(told.processID, told.time)
  if (name === 'closed') pool._openedAt.delete(told.processID)
  pool.emit('happening', told)
  if (name === 'closed') sessionClosed(pool, told)
  const event = EVENTS[name]
  if (event === 'alert') told.raised = name === 'alert_raised'
  if (event !== undefined) pool.emit(event, told)
}

function sessionClosed(pool, told) {
  let client = pool._clients.get(told.processID)
  // One in hand learns of it by its next query, or because somebody listens.
  if (client !== undefined && pool._lent.has(client)) {
    pool._clients.delete(told.processID)
    return
  }
  if (client !== undefined) pool._forget(client)
  // Without a listener the process goes on, unlike with node-postgres: the pool has dealt with it.
  if (told.reason !== FOUND_DEAD || pool.listenerCount('error') === 0) return
  // Only queries of the pool may have used it, so that nobody has seen a client of it yet.
  client ??= new Client(pool, told.processID)
  const error = told.error ?? Object.assign(new HoldfastError('Connection terminated unexpectedly'), { kind: 'connection_lost', attempts: [], retryable: true })
  error.client = client
  pool.emit('error', error, client)
}

module.exports = { translate }
