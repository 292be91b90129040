'use strict'

// Transactions whose work is a JavaScript function. A thread of the library runs the transaction as it does for every
// language: it begins, waits for the function, commits, runs it again after a conflict, and finds out about lost commits.

const { addon, NONE, take, submitted } = require('../native')
const { recapture, retriesOf } = require('../query')
const { bound } = require('../node/context')
const { introduceInTransaction } = require('./introduction')

const STATUS = { ok: 0, rolledBack: 71 }
const ISOLATION = { default: 0, 'read committed': 1, 'repeatable read': 2, serializable: 3 }
const DEFAULT = 0
const YES = 1
const NO = 2

function choice(name, value, table) {
  if (value === undefined) return DEFAULT
  const found = table[value]
  if (found === undefined) throw new TypeError(`${name} must be one of ${Object.keys(table).join(', ')}, not ${String(value)}`)
  return found
}

function readTransactionOptions(options) {
  const { isolation, readOnly, deferrable, maxReruns, resolveCommit, deadline, maxRetries } = options
  for (const [name, value] of Object.entries({ maxReruns, maxRetries })) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 0)) throw new TypeError(`${name} must be a whole number from 0 on, not ${String(value)}`)
  }
  if (deadline !== undefined && !(deadline > 0)) throw new TypeError(`deadline must be a number of milliseconds above 0, not ${String(deadline)}`)
  return {
    isolation: choice('isolation', typeof isolation === 'string' ? isolation.toLowerCase() : isolation, ISOLATION),
    access: readOnly === undefined ? DEFAULT : readOnly ? 2 : 1,
    deferrable: deferrable === undefined ? DEFAULT : deferrable ? YES : NO,
    reruns: retriesOf(maxReruns),
    retries: retriesOf(maxRetries),
    resolveCommit: resolveCommit ? 1 : 0,
    deadline: deadline === undefined ? 0 : Math.ceil(deadline),
  }
}

/**
 * @param {import('.')} pool
 * @param {(client: import('../client').Client) => Promise<unknown>} fn may run several times: it must not do what cannot be done twice
 * @param {object} [options] isolation, readOnly, deferrable, maxReruns, resolveCommit, deadline, maxRetries, signal
 */
function transaction(pool, fn, options = {}) {
  if (typeof fn !== 'function') throw new TypeError(`pool.transaction takes a function, not ${typeof fn}: pool.transaction(async (client) => ...)`)
  const read = readTransactionOptions(options)
  return new pool.Promise((resolve, reject) => {
    if (pool.ending) throw new Error('Cannot use a pool after calling end on the pool')
    if (options.signal?.aborted) throw options.signal.reason
    if (pool._handle === NONE) pool._whenOpen(() => begin(pool, fn, read, options.signal, resolve, reject), reject)
    else begin(pool, fn, read, options.signal, resolve, reject)
  }).catch(recapture)
}

function begin(pool, fn, read, signal, resolve, reject) {
  pool._busy += 1
  let value
  let thrown
  const work = {
    settle(failure) {
      signal?.removeEventListener('abort', abort)
      pool._unbusy()
      if (!failure) resolve(value)
      // What the function threw is what its caller wants to see, unless it was only told of something worse.
      else if (thrown !== undefined && failure.kind === 'rolled_back') reject(thrown.error)
      else if (signal?.aborted && failure.kind === 'canceled') reject(signal.reason)
      else reject(pool._errorOf(failure))
    },
    // Called by the library, once for every run: in the caller's context.
    body: bound(async ({ body, connection, processID }) => {
      const client = pool._clientOf(processID)
      client._beginCheckout(pool, connection, processID)
      pool._checkedOut.add(client)
      client.release = () => {
        throw new Error('the client of a transaction goes back by itself: leave out release()')
      }
      let status = STATUS.ok
      thrown = undefined
      try {
        const given = await introduceInTransaction(pool, client, read)
        pool.emit('acquire', client)
        value = await fn(given)
      } catch (error) {
        thrown = { error }
        status = STATUS.rolledBack
      }
      await client._idle()
      pool._endCheckout(client)
      addon.finishBody(body, connection, status)
    }),
  }
  const tag = take(work)
  const number = submitted(tag, addon.submitTransaction(pool._handle, tag, read.retries, pool._waitLimit, read.isolation, read.access,
    read.deferrable, read.reruns, read.resolveCommit, read.deadline))
  const abort = () => addon.cancel(number)
  signal?.addEventListener('abort', abort, { once: true })
}

module.exports = { transaction }
