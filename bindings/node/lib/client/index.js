'use strict'

const { EventEmitter } = require('node:events')
const { addon, NONE, take, submitted } = require('../native')
const { setImmediate, nextTick } = require('../node/timers')
const { AsyncResource, bound } = require('../node/context')
const { toError, toNotice, HoldfastError } = require('../errors')
const { escapeIdentifier, escapeLiteral } = require('../values')
const { parameters } = require('../options/parameters')
const { readQuery, recapture, callBack } = require('../query')
const { hide, copyOptions } = require('../node/hidden')
const { iterate } = require('../query/stream')
const { submitObject } = require('../query/submittable')
const { ReadingTurns } = require('./reading-turns')
const { TRANSACTION_STATUS, isLost, CLOSED, BROKEN } = require('./session-state')
const { openOwnPool, endOwnPool, tellParameters } = require('./standalone')
const Connection = require('../pg/connection')
const ConnectionParameters = require('../pg/connection-parameters')
const TypeOverrides = require('../decode/type-overrides')
const { traceQuery } = require('../node/tracing')
const listening = require('./listen')

const HEARD = new Set(['notification', 'error', 'end'])

/**
 * One session: as a pool hands it out, where the object stays the same for as long as the session lives, or by itself, for a
 * script or for LISTEN. By itself it opens its session with connect(), from a pool of its own that has no other.
 */
class Client extends EventEmitter {
  /** @param {string | object} [config] node-postgres' options and Holdfast's own */
  constructor(config) {
    super()
    const options = copyOptions(config)
    hide(this, '_options', options)
    hide(this, '_pool', undefined)
    hide(this, '_own', undefined)
    this._handle = NONE
    this._pending = 0
    this._types = new TypeOverrides(options.types)
    this._names = new Map()
    this._connecting = false
    this._connected = false
    this._queryable = true
    this._ending = false
    this._ended = false
    /** Queries that were asked for before the session is there; undefined once it is. */
    this._waiting = []
    hide(this, '_opened', undefined)
    hide(this, '_over', undefined)
    this._introduced = false
    this._poolUseCount = 0
    this._openedAt = Infinity
    /** The number under which its socket is waited for, or 0. */
    this._wait = 0
    hide(this, '_scope', undefined)
    hide(this, '_turns', new ReadingTurns(this))
    this._unreferenced = false
    this._whenIdle = []
    this._whenOpen = []
    this._Promise = options.Promise || Promise
    this.processID = null
    this.secretKey = null
    this.binary = Boolean(options.binary)
    this.pipeline = Boolean(options.pipeline)
    const { password, ...leads } = parameters(options)
    Object.assign(this, leads)
    hide(this, 'password', password)
    this.ssl = options.ssl || false
    /**
     * Of node-postgres' connection only what Sequelize looks at: the settings that the server reports as a session begins.
     * It is no property that shows, since it is not the client's own business.
     */
    hide(this, 'connection', new Connection())
  }

  /** What node-postgres has under this name. */
  get connectionParameters() {
    return new ConnectionParameters(this._options)
  }

  /** Opens the session. A client that a pool made has one already. */
  connect(callback) {
    if (callback) {
      const told = bound(callback)
      this._connect((error) => callBack(told, error))
      return undefined
    }
    return new this._Promise((resolve, reject) => {
      this._connect((error) => (error ? reject(error) : resolve(this)))
    }).catch(recapture)
  }

  /** `done(error)` is not called before this returns. */
  _connect(done) {
    if (this._connecting) {
      nextTick(done, new Error('Client has already been connected. You cannot reuse a client.'))
      return
    }
    this._connecting = true
    if (this._pool !== undefined) {
      this._begin()
      nextTick(done, null)
      return
    }
    this._opened = openOwnPool(this).then(() => {
      const waiting = this._waiting
      this._waiting = undefined
      this._begin()
      done(null)
      for (const query of waiting) this._send(query)
      for (const told of this._whenOpen.splice(0)) told()
    }, (error) => {
      this._queryable = false
      this._ended = true
      for (const query of this._waiting.splice(0)) query.fail(error)
      for (const told of this._whenOpen.splice(0)) told()
      done(error)
    })
  }

  _begin() {
    this._connected = true
    this.emit('connect')
  }

  /**
   * A checkout begins: `handle` is the library's.
   * @param {import('../pool')} pool
   */
  _beginCheckout(pool, handle, processID) {
    this._pool = pool
    this._handle = handle
    this.processID = processID
    // By itself it has queries to send first.
    if (this._own === undefined) this._waiting = undefined
    listening.update(this)
  }

  /** It was given back. Returns the handle. */
  _takeBack() {
    const handle = this._handle
    this._handle = NONE
    this._turns.finish()
    listening.update(this)
    return handle
  }

  on(name, listener) {
    super.on(name, listener)
    if (HEARD.has(name) && this._handle !== NONE) listening.update(this)
    return this
  }

  addListener(name, listener) {
    return this.on(name, listener)
  }

  removeListener(name, listener) {
    super.removeListener(name, listener)
    if (HEARD.has(name) && this._handle !== NONE) listening.update(this)
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
    if (typeof config?.submit === 'function') return submitObject(this, config, typeof values === 'function' ? values : third)
    const query = readQuery(config, values, third, fourth)
    return traceQuery(query, this, this._Promise, () => this._submit(query))
  }

  _submit(query) {
    const fault = this._fault()
    if (fault) nextTick(() => query.fail(fault))
    else if (!this._turns.postpone(query)) this._queue(query)
  }

  /** Sends it once there is a session. */
  _queue(query) {
    if (this._waiting === undefined) this._send(query)
    else this._waiting.push(query)
  }

  _send(query) {
    query.inherit(this._types, this.binary, this._pool._queryTimeout)
    const encoded = query.encode(this._broken() || query.fault(this._names))
    if (encoded === undefined) return
    query.owner = this
    if (this.listenerCount('notice') > 0 || this.listenerCount('drain') > 0) query.scope = new AsyncResource('PG_HOLDFAST')
    this._pending += 1
    listening.busy(this)
    const tag = take(query)
    query.number = submitted(tag, query.isScript
      ? addon.submitConnectionScript(this._handle, tag, query.text, query.deadline)
      : addon.submitConnectionQuery(this._handle, tag, query.text, encoded.buffer, encoded.count, query.format, query.deadline))
    query.watch(addon.cancel)
  }

  /** Why nothing can be asked for any more. */
  _fault() {
    if (this._ending) return new Error(CLOSED)
    if (this._waiting !== undefined && this._queryable) return undefined
    return this._broken()
  }

  /** Why nothing can be sent. */
  _broken() {
    if (!this._queryable) return new Error(BROKEN)
    if (this._handle !== NONE) return undefined
    return new HoldfastError('this client was given back to its pool and cannot be used any more: call pool.connect() for another')
  }

  queryOver(query, error) {
    if (query.scope === undefined) this._queryOver(error)
    else query.scope.runInAsyncScope(this._queryOver, this, error)
  }

  _queryOver(error) {
    this._pending -= 1
    if (this._pending === 0) {
      if (this.listenerCount('notice') > 0 && this._handle !== NONE) this._tellNotices()
      if (this.listenerCount('notification') > 0) this._look()
      listening.idle(this)
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

  _failed(error) {
    if (isLost(error)) nextTick(() => this._lost(error))
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

  /** To listeners, in the context of the caller that has the client. */
  _tell(name, ...given) {
    if (this._scope === undefined) this.emit(name, ...given)
    else this._scope.runInAsyncScope(this.emit, this, name, ...given)
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
      this._tell('notification', { name: 'notification', length: 0, ...message })
    }
  }

  /** The connection broke. Without a listener the process goes on: the next query says so, and the pool opens another. */
  _lost(error) {
    if (!this._queryable) return
    this._queryable = false
    if (this.listenerCount('error') > 0) this._tell('error', error)
    nextTick(() => this._closed())
    listening.update(this)
    if (this._own !== undefined) this._over ??= endOwnPool(this)
  }

  _closed() {
    this._queryable = false
    if (this._ended) return
    this._ended = true
    this._tell('end')
  }

  /** Whether something runs on the session, so that what comes is an answer. */
  get _isBusy() {
    return this._pending > 0 || this._turns.isTaken
  }

  /** Waits until nothing submitted is left to run. */
  _idle() {
    if (this._pending === 0) return Promise.resolve()
    return new Promise((resolve) => this._whenIdle.push(resolve))
  }

  /** Waits until there is a session, or there will be none, and nothing is left to run. */
  async _ready() {
    if (this._waiting !== undefined && this._queryable) await new Promise((resolve) => this._whenOpen.push(resolve))
    await this._idle()
  }

  /**
   * Gives the client back; with an error or true, closes it. Every checkout has its own of these.
   * @param {Error | boolean} [error]
   */
  release(error) {
    if (this._own !== undefined || this._pool === undefined) throw new Error('this client belongs to no pool: call end()')
    this._pool._release(this, error)
  }

  /** Closes the session, once what runs on it is done; a pool lets go of it when it is released. */
  end(callback) {
    this._ending = true
    listening.update(this)
    this._over ??= this._end()
    if (callback === undefined) return this._over
    this._over.then(bound(() => callBack(callback)))
    return undefined
  }

  async _end() {
    // One that was never connected has nothing to close, and tells of no end.
    if (!this._connecting) return
    await this._opened
    await this._idle()
    await endOwnPool(this)
    this._closed()
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
    listening.update(this)
  }

  unref() {
    this._unreferenced = true
    listening.update(this)
  }

  isConnected() {
    return this._connected && this._queryable && !this._ending
  }
}

if (Symbol.asyncDispose) {
  Client.prototype[Symbol.asyncDispose] = async function dispose() {
    if (this._own !== undefined || this._pool === undefined) return this.end()
    await this._idle()
    if (this._handle !== NONE) this.release()
    return undefined
  }
}

/** As this package has them, whatever a program puts in their place. */
const { query, connect } = Client.prototype

/** Whether a program has put a query() of its own in the place of this package's, for this client or for all. */
const hasOwnQuery = (client = Client.prototype) => client.query !== query
const hasOwnConnect = (client) => client.connect !== connect

module.exports = { Client, hasOwnQuery, hasOwnConnect }
