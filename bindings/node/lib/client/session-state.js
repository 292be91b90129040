'use strict'

// How a session stands, in the words of the library and of node-postgres.

/** By the library's constants. */
const TRANSACTION_STATUS = ['I', 'T', 'E', null]

/** Failures after which a session is of no use. */
const LOST = new Set(['connection_lost', 'query_timeout', 'pool_closed'])
const QUERY_CANCELED = '57014'

/** Whether it is of no use any more. A limit that the server kept itself, such as statement_timeout, leaves it as it is. */
function isLost(error) {
  return LOST.has(error.kind) && error.code !== QUERY_CANCELED
}

const CLOSED = 'Client was closed and is not queryable'
const BROKEN = 'Client has encountered a connection error and is not queryable'

module.exports = { TRANSACTION_STATUS, isLost, CLOSED, BROKEN }
