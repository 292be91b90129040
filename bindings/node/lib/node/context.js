'use strict'

// The async context of callers (AsyncLocalStorage, tracing): completions come from a thread of the library, in the context of
// no request. What belongs to one is run in the context in which it was asked for.

const { AsyncResource } = require('node:async_hooks')

/** Returns `call`, to be run in the context of now whenever it is called. */
function bound(call) {
  const resource = new AsyncResource('PG_HOLDFAST')
  return (...given) => resource.runInAsyncScope(call, undefined, ...given)
}

module.exports = { bound, AsyncResource }
