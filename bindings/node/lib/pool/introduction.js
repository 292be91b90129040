'use strict'

// What is done once for each session, before anything else uses it, whatever that is: a query, a client, a transaction, a stream.

const { NOOP, Query } = require('../query')
const { hasOwnConnect } = require('../client')
const { askOwnClientConnect, throughOwnConnect } = require('./own-methods')

/** Whether something is to be done for it that asks the server: then it is not done within a transaction. */
function hasIntroduction(pool, client) {
  return Boolean(pool.options.onConnect || pool.options.verify) || pool.listenerCount('connect') > 0 || hasOwnConnect(client)
}

/**
 * Introduces a session that is new: `done(error)` at once if nothing is to be waited for.
 * @param {import('.')} pool
 * @param {import('../client').Client} client
 */
function introduce(pool, client, done) {
  if (client._introduced) {
    done()
    return
  }
  const over = (error) => {
    if (!error) {
      client._introduced = true
      pool.emit('connect', client)
    }
    done(error)
  }
  const hook = (error) => {
    const { onConnect } = pool.options
    if (error || !onConnect) over(error)
    else new Promise((resolve) => resolve(onConnect(client))).then(() => over(), (failure) => over(failure ?? new Error('onConnect failed')))
  }
  client._connecting = false
  if (hasOwnConnect(client)) askOwnClientConnect(client, hook)
  else {
    client._connecting = true
    client._begin()
    hook()
  }
}

function begin({ isolation, access, deferrable }) {
  const parts = ['begin', ['', 'isolation level read committed', 'isolation level repeatable read', 'isolation level serializable'][isolation],
    ['', 'read write', 'read only'][access], ['', 'deferrable', 'not deferrable'][deferrable]]
  return parts.filter((part) => part !== '').join(' ')
}

/** Runs a statement of the pool's own, which no program sees. */
function run(client, text) {
  const query = new Query(text, undefined)
  const result = query.promised(Promise)
  client._submit(query)
  return result
}

/**
 * Introduces a session that a transaction is the first to use, and has the program's own connect() see it. What is set for a
 * session must outlive the transaction, and a hook may begin one itself: so the library's, in which nothing was done yet, is
 * given up, and begun again afterwards. Returns the client, which that connect() may have wrapped.
 */
async function introduceInTransaction(pool, client, options) {
  const isNew = !client._introduced
  if (!pool._hasOwnConnect && (!isNew || !hasIntroduction(pool, client))) {
    introduce(pool, client, NOOP)
    return client
  }
  await run(client, 'rollback')
  await new Promise((resolve, reject) => introduce(pool, client, (error) => (error ? reject(error) : resolve())))
  const { verify } = pool.options
  if (isNew && verify) await new Promise((resolve, reject) => verify(client, (error) => (error ? reject(error) : resolve())))
  const given = pool._hasOwnConnect ? await throughOwnConnect(pool, client) : client
  await run(client, begin(options))
  return given
}

module.exports = { introduce, introduceInTransaction }
