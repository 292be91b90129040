'use strict'

// One query: what the program gave in node-postgres' forms, and what settles it.

const { decodeResult, beginResult, decodeWithin, Result } = require('../decode')
const { setImmediate, nextTick } = require('../node/timers')
const { packsOf } = require('../native')
const { bound } = require('../node/context')
const { toError } = require('../errors')
const { encodeValues } = require('../values')

/** How long rows are decoded in one go before the event loop may do something else. */
const DECODE_MILLIS = 2
const NOOP = () => {}

/** How often to try again, as holdfast_submit_options has it: 0 is as configured, -1 not at all. */
function retriesOf(count) {
  return count === undefined ? 0 : count === 0 ? -1 : count
}

/** Formats of results. */
const FORMAT = { text: 0, binary: 1, automatic: 2 }

/** Shows the frames of the caller that waits for the promise, not those of the event loop. */
function recapture(error) {
  if (error !== null && typeof error === 'object') Error.captureStackTrace(error)
  throw error
}

/** Calls what the program gave; what that throws is the program's, and must not stop what goes on here. */
function callBack(callback, error, value, third) {
  try {
    callback(error, value, third)
  } catch (thrown) {
    nextTick(() => {
      throw thrown
    })
  }
}

/**
 * Whether a text without parameters may have several statements. A semicolon that is neither followed by another word nor
 * absent is enough to say so: what it is the library finds out.
 */
function mayBeScript(text) {
  const at = text.indexOf(';')
  if (at < 0) return text.trim() === ''
  return !/^[\s;]*$/.test(text.slice(at)) || /^\s*;?\s*$/.test(text)
}

/** COPY is no query here, and fails as it does in node-postgres: that takes the simple protocol. */
function isCopy(text) {
  const first = text.charCodeAt(0) | 32
  return (first === 99 || first <= 47) && /^\s*copy\b/i.test(text)
}

class Query {
  constructor(text, values) {
    this.text = text
    this.values = values
    this.name = undefined
    this.rowMode = undefined
    this.types = undefined
    this.binary = false
    this.callback = undefined
    this.idempotent = false
    this.maxRetries = undefined
    this.deadline = 0
    this.signal = undefined
    this.extended = false
    this.resolve = NOOP
    this.reject = NOOP
    /** Told once when it is over, before the caller is. */
    this.owner = undefined
    this.number = 0
    this.over = false
    this.onAbort = undefined
    /** The async context in which listeners of the client are called for it. */
    this.scope = undefined
    /** What the program gave in its place, where it was an object. */
    this.config = undefined
  }

  /** A promise of its result, or undefined if it has a callback. */
  promised(Promise) {
    if (this.callback !== undefined) {
      this.callback = bound(this.callback)
      return undefined
    }
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    }).catch(recapture)
  }

  get retries() {
    return retriesOf(this.maxRetries)
  }

  get format() {
    return this.binary ? FORMAT.binary : FORMAT.automatic
  }

  get isScript() {
    if (this.extended || this.name !== undefined || (this.values !== undefined && this.values !== null && this.values.length > 0)) return false
    return mayBeScript(this.text) || isCopy(this.text)
  }

  /** What is wrong with it, as node-postgres says it, or undefined. `names` are the texts of named statements. */
  fault(names) {
    if (this.name !== undefined) {
      const before = names.get(this.name)
      if (typeof this.text !== 'string' && before !== undefined) this.text = before
      else if (before !== undefined && this.text && before !== this.text) {
        return new Error(`Prepared statements must be unique - '${this.name}' was used for a different statement`)
      }
    }
    if (typeof this.text !== 'string') return new Error('A query must have either text or a name. Supplying neither is unsupported.')
    if (this.values && !Array.isArray(this.values)) return new Error('Query values must be an array')
    if (this.name !== undefined) names.set(this.name, this.text)
    return this.signal?.aborted ? this.signal.reason : undefined
  }

  /** What it does not say itself it has from whom it runs on. */
  inherit(types, binary, timeout) {
    this.types ??= types
    if (binary) this.binary = true
    if (this.deadline === 0) this.deadline = timeout
  }

  /** Its parameters for the addon, valid until the next call of this; or undefined, and it fails in the next turn. */
  encode(fault) {
    try {
      if (fault) throw fault
      return encodeValues(this.values)
    } catch (error) {
      nextTick(() => this.fail(error))
      return undefined
    }
  }

  /** Ends the statement when the signal says so. */
  watch(cancel) {
    const { signal } = this
    if (signal === undefined) return
    this.onAbort = () => {
      cancel(this.number)
      // The statement ends as soon as the server has received the request; callers need not wait for it.
      if (!this.over) this.fail(signal.reason)
    }
    signal.addEventListener('abort', this.onAbort, { once: true })
  }

  /** Called for its completion: packs and where in them, a list of packs, or why it failed. */
  settle(failure, packs, at) {
    if (this.signal !== undefined) this.signal.removeEventListener('abort', this.onAbort)
    if (failure) {
      const error = this.owner?._errorOf ? this.owner._errorOf(failure) : toError(failure)
      this.owner?.queryOver(this, error)
      this.fail(error)
      return
    }
    this.owner?.queryOver(this, undefined)
    if (this.over) return
    try {
      if (Array.isArray(packs)) this.succeed(this.results(packs))
      else if (packs === undefined) this.succeed(new Result())
      else {
        const bytes = packsOf(packs)
        // A small one lies in memory that the next batch writes to.
        if (bytes === packs) this.decodeInTurns(beginResult(bytes, this, at))
        else this.succeed(decodeResult(bytes, this, at))
      }
    } catch (error) {
      this.fail(error)
    }
  }

  results(packs) {
    const results = packs.map((pack) => decodeResult(pack, this))
    return results.length === 1 ? results[0] : results.length === 0 ? new Result() : results
  }

  decodeInTurns(decoding) {
    const turn = () => {
      try {
        if (decodeWithin(decoding, DECODE_MILLIS)) this.succeed(decoding.result)
        else setImmediate(turn)
      } catch (error) {
        this.fail(error)
      }
    }
    turn()
  }

  succeed(result) {
    if (this.over) return
    this.over = true
    if (this.callback === undefined) this.resolve(result)
    else callBack(this.callback, null, result)
  }

  fail(error) {
    if (this.over) return
    this.over = true
    if (this.callback === undefined) this.reject(error)
    else callBack(this.callback, error)
  }
}

/** What a query may have besides node-postgres' own: the third argument, or beside the text. */
function applyOptions(query, options) {
  const { maxRetries, signal, deadline, idempotent, query_timeout: timeout } = options
  if (maxRetries !== undefined) {
    if (!Number.isInteger(maxRetries) || maxRetries < 0) throw new TypeError(`maxRetries must be a whole number from 0 on, not ${String(maxRetries)}: give how often to try again`)
    query.maxRetries = maxRetries
  }
  if (deadline !== undefined || timeout) {
    const limit = deadline ?? timeout
    if (typeof limit !== 'number' || !(limit > 0)) throw new TypeError(`deadline must be a number of milliseconds above 0, not ${String(limit)}`)
    query.deadline = Math.ceil(limit)
  }
  if (signal !== undefined && signal !== null) {
    if (typeof signal.addEventListener !== 'function') throw new TypeError('signal must be an AbortSignal: give `controller.signal`')
    query.signal = signal
  }
  if (idempotent !== undefined) query.idempotent = Boolean(idempotent)
}

/**
 * A query of what was given, in any of node-postgres' forms: (text | config, values?, callback? | options?).
 * @returns {Query}
 */
function readQuery(config, values, third, fourth) {
  if (config === null || config === undefined) throw new TypeError('Client was passed a null or undefined query')
  let query
  if (typeof config === 'string') {
    query = new Query(config, undefined)
  } else {
    if (typeof config.submit === 'function') {
      throw new TypeError('cursors and streams are for clients, which somebody gives back when they are over: use client.query(), or pool.iterate()')
    }
    query = new Query(config.text, config.values)
    query.config = config
    query.name = config.name || undefined
    query.rowMode = config.rowMode
    query.types = config.types
    query.binary = Boolean(config.binary)
    query.extended = config.queryMode === 'extended'
    query.callback = config.callback
    applyOptions(query, config)
  }
  if (typeof values === 'function') query.callback = values
  else if (values) query.values = values
  if (third) {
    if (typeof third === 'object') applyOptions(query, third)
    else query.callback = third
  }
  if (fourth) query.callback = fourth
  if (query.callback !== undefined && typeof query.callback !== 'function') throw new TypeError('callback is not a function')
  return query
}

module.exports = { Query, readQuery, recapture, callBack, retriesOf, FORMAT, NOOP }
