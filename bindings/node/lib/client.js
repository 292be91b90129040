'use strict'

const { EventEmitter } = require('node:events')
const { setImmediate, nextTick } = require('./timers')
const { addon, NONE, take, submitted } = require('./native')
const { toError, toNotice, HoldfastError } = require('./errors')
const { escapeIdentifier, escapeLiteral } = require('./values')
const { readQuery } = require('./query')
const { iterate } = require('./stream')
const { submitCursor } = require('./cursor')
const TypeOverrides = require('./type-overrides')
const watch = require('./watch')

/** By the library's constants. */
const TRANSACTION_STATUS = ['I', 'T', 'E', null]
/** Failures after which a session is of no use. */
const LOST = new Set(['connection_lost', 'query_timeout', 'pool_closed'])
const HEARD = new Set(['notification', 'error', 'end'])

/** One session, as a pool hands it out. The object stays the same for as long as the session lives, as in node-postgres. */
class Client extends EventEmitter {
  constructor(pool, processID) {
    super()
    this._pool = pool
    this._handle = NONE
    this._pending = 0
    this._types = new TypeOverrides(pool.options.types)
    this._names = new Map()
    this._queryable = true
    this._ending = false
    this._ended = false
    this._poolUseCount = 0
    this._openedAt = Infinity
    /** The number under which its socket is waited for, or 0. */
    this._wait = 0
    /** Who reads a large result, or is about to: the first has the session to itself. Behind each are the queries that wait for it. */
    this._readers = []
    this._borrowed = false
    this._unreferenced = false
    this._whenIdle = []
    this.processID = processID
    this.binary = Boolean(pool.options.binary)
    this.pipeline = Boolean(pool.options.pipeline)
    const { user, database, host, port } = pool._parameters
    Object.assign(this, { user, database, host, port, ssl: pool.options.ssl || false })
  }

  /** It is handed out: `handle` is the library's. `borrowed` if the library takes it back itself. */
  _lend(handle, borrowed) {
    this._handle = handle
    this._borrowed = borrowed
    watch.update(this)
  }

  /** It was given back. Returns the handle. */
  _takeBack() {
    const handle = this._handle
    this._handle = NONE
    for (const { reader } of [...this._readers]) reader.finish()
    watch.update(this)
    return handle
  }

  on(name, listener) {
    super.on(name, listener)
    if (HEARD.has(name) && this._handle !== NONE) watch.update(this)
    return this
  }

  addListener(name, listener) {
    return this.on(name, listener)
  }

  removeListener(name, listener) {
    super.removeListener(name, listener)
    if (HEARD.has(name) && this._handle !== NONE) watch.update(this)
    return this
  }

  off(name, listener) {
    return this.removeListener(name, listener)
  }

  /**
   * Runs a query. Calls while another one runs are done in their order.
   * @param {string | object} config
   */
  query(config, values, third, fourth) {
    if (typeof config?.submit === 'function') return submitCursor(this, config, typeof values === 'function' ? values : third)
    const query = readQuery(config, values, third, fourth)
    const result = query.promised(this._pool.Promise)
    this._submit(query)
    return result
  }

  _submit(query) {
    if (this._readers.length > 0) {
      this._readers.at(-1).behind.push(query)
      return
    }
    this._send(query)
  }

  _send(query) {
    query.inherit(this._types, this.binary, this._pool._queryTimeout)
    const encoded = query.encode(this._fault() || query.fault(this._names))
    if (encoded === undefined) return
    query.owner = this
    this._pending += 1
    watch.busy(this)
    const tag = take(query)
    query.number = submitted(tag, query.isScript
      ? addon.submitConnectionScript(this._handle, tag, query.text, query.deadline)
      : addon.submitConnectionQuery(this._handle, tag, query.text, encoded.buffer, encoded.count, query.format, query.deadline))
    query.watch(addon.cancel)
  }

  /**
   * The session for one reader alone, once what was asked for before is done: `begins` then. Queries that are asked for meanwhile
   * are submitted after `end()`, in their order.
   */
  _claim(reader) {
    watch.busy(this)
    let begin
    const begins = new Promise((resolve) => {
      begin = () => this._idle().then(resolve)
    })
    const claim = { reader, behind: [], begin }
    if (this._readers.push(claim) === 1) begin()
    return { begins, end: () => this._endClaim(claim) }
  }

  _endClaim(claim) {
    const at = this._readers.indexOf(claim)
    this._readers.splice(at, 1)
    if (at > 0) {
      // It never had its turn, so what waits for it waits for the one before it.
      this._readers[at - 1].behind.push(...claim.behind)
      return
    }
    claim.behind.forEach((query) => this._send(query))
    this._readers[0]?.begin()
    watch.idle(this)
  }

  _fault() {
    if (this._ending) return new Error('Client was closed and is not queryable')
    if (!this._queryable) return new Error('Client has encountered a connection error and is not queryable')
    if (this._handle !== NONE) return undefined
    return new HoldfastError('this client was given back to its pool and cannot be used any more: call pool.connect() for another')
  }

  queryOver(query, error) {
    this._pending -= 1
    if (this._pending === 0) {
      if (this.listenerCount('notice') > 0 && this._handle !== NONE) this._tellNotices()
      if (this.listenerCount('notification') > 0) this._look()
      watch.idle(this)
    }
    if (error) this._failed(error)
    if (this._pending > 0) return
    // Not before the result is out.
    if (this._whenIdle.length > 0 || this.listenerCount('drain') > 0) {
      setImmediate(() => {
        if (this._pending > 0) return
        this._whenIdle.splice(0).forEach((told) => told())
        this.emit('drain')
      })
    }
  }

  /** Whether the session is of no use any more. A limit that the server kept itself, such as statement_timeout, leaves it as it is. */
  _failed(error) {
    if (LOST.has(error.kind) && error.code !== '57014') nextTick(() => this._lost(error))
  }

  _tellNotices() {
    for (const notice of addon.notices(this._handle) || []) this.emit('notice', toNotice(notice))
  }

  _wantsToHear() {
    if (this._handle === NONE || !this._queryable) return false
    return this.listenerCount('notification') > 0 || this.listenerCount('error') > 0 || this.listenerCount('end') > 0
  }

  _keepsAlive() {
    return !this._unreferenced && this.listenerCount('notification') > 0
  }

  /** Takes what has come without being asked for. */
  _look() {
    while (!this._isBusy && this._handle !== NONE) {
      const message = addon.notification(this._handle)
      if (message === undefined) return
      if (message.failed !== undefined) {
        this._lost(toError(message.failed))
        return
      }
      this.emit('notification', { name: 'notification', length: 0, ...message })
    }
  }

  /** The connection broke. Nobody who does not listen dies of it: the next query says so, and the pool opens another. */
  _lost(error) {
    if (!this._queryable) return
    this._queryable = false
    watch.update(this)
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  _closed() {
    this._queryable = false
    if (this._ended) return
    this._ended = true
    this.emit('end')
  }

  /** Whether something runs on the session, so that what comes is an answer. */
  get _isBusy() {
    return this._pending > 0 || this._readers.length > 0
  }

  /** Waits until nothing submitted is left to run. */
  _idle() {
    if (this._pending === 0) return Promise.resolve()
    return new Promise((resolve) => this._whenIdle.push(resolve))
  }

  /**
   * Gives the client back; with an error or true, closes it. Every loan has its own of these.
   * @param {Error | boolean} [error]
   */
  release(error) {
    this._pool._release(this, error)
  }

  /** Closes the session; the pool lets go of it when it is released. */
  end(callback) {
    this._ending = true
    watch.update(this)
    const over = this._idle().then(() => this._closed())
    if (callback === undefined) return over
    over.then(() => callback())
    return undefined
  }

  /** Rows of a large result one by one, without having all of them in memory. */
  iterate(text, values, options) {
    return iterate(this, text, values, options)
  }

  setTypeParser(oid, format, parser) {
    return this._types.setTypeParser(oid, format, parser)
  }

  getTypeParser(oid, format) {
    return this._types.getTypeParser(oid, format)
  }

  escapeIdentifier(name) {
    return escapeIdentifier(name)
  }

  escapeLiteral(text) {
    return escapeLiteral(text)
  }

  getTransactionStatus() {
    return this._handle === NONE ? null : TRANSACTION_STATUS[addon.transactionStatus(this._handle)]
  }

  ref() {
    this._unreferenced = false
    watch.update(this)
  }

  unref() {
    this._unreferenced = true
    watch.update(this)
  }

  isConnected() {
    return this._queryable && !this._ending
  }
}

if (Symbol.asyncDispose) {
  Client.prototype[Symbol.asyncDispose] = async function dispose() {
    await this._idle()
    if (this._handle !== NONE) this.release()
  }
}

module.exports = { Client }
