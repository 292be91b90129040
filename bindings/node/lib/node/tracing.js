'use strict'

// Channels of node:diagnostics_channel, for tracing: each query and each checkout of a client is told of as it begins and as it
// ends, with a context that stays the same object. Nothing of it is done while no one has subscribed.

const diagnostics = require('node:diagnostics_channel')

const PARTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error']

class Channel {
  constructor(name) {
    // Node has them since 18.19.
    this._channel = diagnostics.tracingChannel?.(name)
  }

  get isTraced() {
    const channel = this._channel
    if (channel === undefined) return false
    return PARTS.some((part) => channel[part].hasSubscribers)
  }

  /** `run()` returns a promise, of what becomes `context.result`. */
  promise(context, run) {
    return this._channel.tracePromise(run, context)
  }

  /** `run(callback)` calls it with an error or with what becomes `context.result`. */
  callback(context, callback, run) {
    return this._channel.traceCallback(run, 0, context, undefined, callback)
  }
}

const queries = new Channel('pg-holdfast:query')
const checkouts = new Channel('pg-holdfast:connect')

function server({ user, database, host, port }) {
  return { user, database, host, port }
}

/**
 * Runs a query, and tells of it if it is traced: `run()` submits it.
 * @param {import('../query').Query} query
 * @param {object} target a client, or a pool's parameters
 */
function traceQuery(query, target, Promise, run) {
  const submit = () => {
    const result = query.promised(Promise)
    run()
    return result
  }
  if (!queries.isTraced) return submit()
  const { text, name, values, callback } = query
  const context = { query: { text, name, values }, server: server(target), processID: target.processID ?? undefined }
  if (callback === undefined) return queries.promise(context, submit)
  return queries.callback(context, callback, (traced) => {
    query.callback = traced
    return submit()
  })
}

/** The same of a checkout: `run(callback)` returns what connect() is to return, a promise where there is no callback. */
function traceCheckout(target, callback, run) {
  if (!checkouts.isTraced) return run(callback)
  const context = { server: server(target) }
  return callback === undefined ? checkouts.promise(context, () => run(undefined)) : checkouts.callback(context, callback, run)
}

module.exports = { traceQuery, traceCheckout }
