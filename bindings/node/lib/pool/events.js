'use strict'

// What happens in the library's pool, as events of the JavaScript one.

const { hide } = require('../node/hidden')
const { DatabaseError, HoldfastError, toError } = require('../errors')

/** Under which name each is emitted, besides 'event', which all are. */
const EVENTS = {
  retried: 'retry',
  limit_moved: 'limit',
  circuit_moved: 'breaker',
  alert_raised: 'alert',
  alert_cleared: 'alert',
  leak_suspected: 'leak',
  exhaustion_explained: 'exhaustion',
  notice: 'notice',
}

/** Why an idle session is closed that is of no use any more. One that breaks while in use is told to who uses it. */
const FOUND_DEAD = 'validation_failed'

/** What the library puts before the words with which a server ended a session. */
const ENDED = 'the server ended a connection: '

/** Why an idle session is lost, for 'error'. */
function reasonOf(pool, told) {
  if (told.error !== undefined) return told.error
  const said = told.sqlstate && pool._lastWords.get(told.processID)
  const error = said ? new DatabaseError(said, undefined, 'error') : new HoldfastError('Connection terminated unexpectedly')
  if (said) Object.assign(error, { severity: 'FATAL', code: told.sqlstate })
  for (const [name, value] of Object.entries({ kind: 'connection_lost', attempts: [], retryable: true })) hide(error, name, value)
  return error
}

/** @param {import('.')} pool */
function translate(pool, event) {
  const name = event.kind
  const told = { ...event }
  if (event.error !== undefined) told.error = toError(event.error)
  if (name === 'open_failed' && event.error !== undefined) pool._causes.failed(event.error)
  if (name === 'opened') {
    pool._causes.opened()
    pool._openedAt.set(told.processID, told.time)
    pool._leaving.delete(told.processID)
  }
  if (name === 'closed') pool._openedAt.delete(told.processID)
  pool.emit('event', told)
  if (name === 'server_message' && told.message.startsWith(ENDED)) pool._lastWords.set(told.processID, told.message.slice(ENDED.length))
  if (name === 'closed') {
    if (!pool._leaving.delete(told.processID)) sessionClosed(pool, told)
    pool._lastWords.delete(told.processID)
  }
  const own = EVENTS[name]
  if (own === 'alert') told.raised = name === 'alert_raised'
  if (own !== undefined) pool.emit(own, told)
}

function sessionClosed(pool, told) {
  let client = pool._clients.get(told.processID)
  // One in hand learns of it by its next query, or because it listens.
  if (client !== undefined && pool._checkedOut.has(client)) {
    pool._clients.delete(told.processID)
    return
  }
  // Without a listener the process goes on, unlike with node-postgres: the pool has dealt with it.
  const isTold = pool.listenerCount('error') > 0 || pool.options.compatible !== undefined
  const isDead = told.reason === FOUND_DEAD && isTold
  // Only queries of the pool may have used it, so that no client of it was seen yet.
  if (client === undefined && (isDead || pool.listenerCount('remove') > 0)) client = pool._unseenClient(told.processID)
  if (client !== undefined) pool._forget(client)
  pool._leaving.delete(told.processID)
  if (!isDead) return
  const error = reasonOf(pool, told)
  hide(error, 'client', client)
  pool.emit('error', error, client)
}

module.exports = { translate }
