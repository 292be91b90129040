'use strict'

// Methods that a program has put over this package's, by a subclass or a patch, as tenants' wrappers and tracers do. They answer by
// a callback or by a promise.

const { AsyncLocalStorage } = require('node:async_hooks')

/** Calls `call(callback)` and tells the first of its answers: what the callback is given, or what the promise becomes. */
function firstAnswer(call, done) {
  let told = false
  const once = (error, value) => {
    if (told) return
    told = true
    done(error, value)
  }
  const answer = call(once)
  if (typeof answer?.then === 'function') answer.then((value) => once(undefined, value), once)
}

/** @param {import('../client').Client} client */
function askOwnClientConnect(client, done) {
  firstAnswer((callback) => client.connect(callback), (error) => done(error ?? undefined))
}

/** One that hands the callback on returns a promise of nothing beside it. */
function askOwnConnect(pool, done) {
  let told = false
  const once = (error, client) => {
    if (told || (!error && !client)) return
    told = true
    done(error ?? undefined, client)
  }
  const answer = pool.connect(once)
  if (typeof answer?.then === 'function') answer.then((client) => once(undefined, client), once)
}

/** Clients that a program's own connect() is to get for a transaction, which the library has begun on them. */
const handedOut = new AsyncLocalStorage()

/** A client that a transaction has already, through the connect() of the program's own. */
function throughOwnConnect(pool, client) {
  return new Promise((resolve, reject) => {
    handedOut.run(client, () => askOwnConnect(pool, (error, given) => (error ? reject(error) : resolve(given))))
  })
}

/** The client that this package's connect() is to hand on, called by one of the program's own, or undefined. */
function handedTo(pool) {
  const client = handedOut.getStore()
  return client?._pool === pool ? client : undefined
}

/** It gets what the program gave, as from node-postgres' pool. */
function askOwnQuery(client, query, done) {
  const { text, values, config, deadline, signal } = query
  const more = { ...(deadline > 0 && { deadline }), ...(signal && { signal }) }
  const given = config === undefined && Object.keys(more).length === 0 ? text : { ...config, text, ...more, callback: undefined }
  firstAnswer((callback) => client.query(given, values, callback), done)
}

module.exports = { askOwnClientConnect, askOwnConnect, throughOwnConnect, handedTo, askOwnQuery }
