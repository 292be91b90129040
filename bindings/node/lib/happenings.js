'use strict'

// What happens in the library's pool, as events of the JavaScript one.

/** The library's constants. */
const KIND = {
  2: 'open_failed', 3: 'closed', 7: 'retried', 8: 'timed_out', 9: 'limit_moved', 10: 'circuit_moved', 11: 'leak_suspected',
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

/** Reasons to close a session that its owner did not ask for. */
const BROKEN = new Set(['validation_failed', 'broken'])

/** @param {import('./pool')} pool */
function translate(pool, happening) {
  const name = KIND[happening.kind]
  const told = { ...happening, kind: name ?? 'opened' }
  pool.emit('happening', told)
  if (name === 'closed') sessionClosed(pool, told)
  const event = EVENTS[name]
  if (event === 'alert') told.raised = name === 'alert_raised'
  if (event !== undefined) pool.emit(event, told)
}

function sessionClosed(pool, told) {
  const client = pool._clients.get(told.processID)
  if (client === undefined) return
  // One in hand learns of it by its next query, or because somebody listens.
  if (pool._lent.has(client)) {
    pool._clients.delete(told.processID)
    return
  }
  pool._forget(client)
  if (!BROKEN.has(told.reason) || pool.listenerCount('error') === 0) return
  // Without a listener the process goes on, unlike with node-postgres: the pool has dealt with it.
  const error = new Error('Connection terminated unexpectedly')
  error.kind = 'connection_lost'
  error.client = client
  pool.emit('error', error, client)
}

module.exports = { translate }
