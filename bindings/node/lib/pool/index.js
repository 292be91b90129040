'use strict'

const { addon, NONE, take, submitted, promise, deafen } = require('../native')
const { setImmediate, setTimeout, clearTimeout, setInterval, clearInterval, nextTick, now } = require('../node/timers')
const { bound } = require('../node/context')
const { readQuery, recapture, callBack, retriesOf, NOOP } = require('../query')
const { Client, hasOwnQuery } = require('../client')
const { askOwnQuery, askOwnConnect, handedTo } = require('./own-methods')
const { traceQuery, traceCheckout } = require('../node/tracing')
const { introduce } = require('./introduction')
const { transaction } = require('./transaction')
const { translate } = require('./events')
const { PoolOpening } = require('./opening')
const { setDefaults, closeTimeout } = require('../options/pool-defaults')
const { Shared } = require('./shared')

/** Events that are about single clients: with a listener for one of them, queries go through clients as well. */
const OF_CLIENTS = new Set(['connect', 'acquire', 'release', 'remove'])

/** Where the most connections stand among the counts. */
const LIMIT = 5

/** How often a pool that keeps the process alive while it has sessions looks whether it has any. */
const HOLD_MILLIS = 100

class Pool extends PoolOpening {
  /** @param {string | object} [options] node-postgres' options and Holdfast's own, in camelCase */
  constructor(options) {
    super(options)
    this.log = this.options.log || NOOP
    this.Promise = this.options.Promise || Promise
    this.Client = this.options.Client || Client
    /** Requests under way and clients handed out. */
    this._busy = 0
    /** Clients by the server's process, for as long as their session lives. */
    this._clients = new Map()
    this._checkedOut = new Set()
    /** When sessions were opened, by the server's process. One of another thread, which shares the pool, may not be there. */
    this._openedAt = new Map()
    /** What the server said as it ended them. */
    this._lastWords = new Map()
    /** The server's processes whose clients are gone, and of whose end the library has not told yet. */
    this._leaving = new Set()
    this._names = new Map()
    this._types = this.options.types
    this._whenQuiet = undefined
    this._throughClients = Boolean(this.options.onConnect || this.options.verify || this.options.maxUses || this.options.closeOnError || this.options.Client)
    // Only if the program says so an idle session keeps the process alive, as it does by default in node-postgres.
    this._hold = this.options.allowExitOnIdle === false ? setInterval(() => this._holdWhileOpen(), HOLD_MILLIS).unref() : undefined
    setDefaults(this.options, this._handle === NONE ? undefined : this._counts()[LIMIT])
  }

  _holdWhileOpen() {
    if (this.totalCount > 0) this._hold.ref()
    else this._hold.unref()
  }

  on(name, listener) {
    if (OF_CLIENTS.has(name)) this._throughClients = true
    return super.on(name, listener)
  }

  addListener(name, listener) {
    return this.on(name, listener)
  }

  /**
   * Hands out a client: a promise of it, or callback(error, client, release).
   * @param {Function | { signal?: AbortSignal, maxRetries?: number, timeout?: number }} [given]
   */
  connect(given) {
    const callback = typeof given === 'function' ? given : undefined
    if (this.ending) {
      const error = new Error('Cannot use a pool after calling end on the pool')
      return callback ? callback(error) : this.Promise.reject(error)
    }
    const handed = handedTo(this)
    if (handed !== undefined) {
      if (callback === undefined) return this.Promise.resolve(handed)
      nextTick(callback, undefined, handed, handed.release)
      return undefined
    }
    const options = typeof given === 'object' && given !== null ? given : {}
    return traceCheckout(this._parameters, callback, (told) => {
      if (told === undefined) {
        return new this.Promise((resolve, reject) => {
          this._acquire(options, (error, client) => (error ? reject(error) : resolve(client)))
        }).catch(recapture)
      }
      this._acquire({}, (error, client, release) => callBack(told, error, client, release))
      return undefined
    })
  }

  /** A client by connect(), where the program has put its own over this package's. */
  _checkOut(options, done) {
    if (!this._hasOwnConnect) {
      this._acquire(options, done)
      return
    }
    askOwnConnect(this, done)
  }

  /** `done(error, client, release)` is never called before this returns. */
  _acquire(options, done, isCounted = false) {
    if (!isCounted) this._busy += 1
    const failed = (error) => {
      this._unbusy()
      done(error, undefined, NOOP)
    }
    if (this._handle === NONE) {
      this._whenOpen(() => this._acquire(options, done, true), failed)
      return
    }
    const { signal, maxRetries, timeout = this._waitLimit } = options
    let over = false
    const settle = (failure, handle, processID) => {
      signal?.removeEventListener('abort', abort)
      if (failure) {
        if (over) this._unbusy()
        else failed(this._errorOf(failure))
        return
      }
      if (over) {
        this._unbusy()
        addon.giveBack(handle, 0)
        return
      }
      this._handOut(handle, processID, done)
    }
    const tag = take({ settle: bound(settle) })
    const number = submitted(tag, addon.submitAcquire(this._handle, tag, retriesOf(maxRetries), timeout))
    const abort = () => {
      addon.cancel(number)
      over = true
      done(signal.reason, undefined, NOOP)
    }
    if (signal?.aborted) nextTick(abort)
    else signal?.addEventListener('abort', abort, { once: true })
  }

  /** The client of the session: the one there is, or a new one. */
  _clientOf(processID) {
    let client = this._clients.get(processID)
    if (client === undefined) {
      client = this._makeClient()
      client._openedAt = this._openedAt.get(processID) ?? Date.now()
      this._clients.set(processID, client)
    }
    return client
  }

  /** For events of a session that no client was handed out of: one that cannot be used. */
  _unseenClient(processID) {
    const client = this._makeClient()
    client.processID = processID
    client._waiting = undefined
    client._pool = this
    client._connecting = true
    return client
  }

  _makeClient() {
    return new this.Client(this.options)
  }

  _handOut(handle, processID, done) {
    const client = this._clientOf(processID)
    const isNew = !client._introduced
    client._beginCheckout(this, handle, processID)
    this._checkedOut.add(client)
    introduce(this, client, (failure) => {
      if (failure) {
        this._giveBack(client, true)
        done(failure, undefined, NOOP)
        return
      }
      this._setRelease(client)
      this.emit('acquire', client)
      const { release } = client
      if (!isNew || !this.options.verify) {
        done(undefined, client, release)
        return
      }
      this.options.verify(client, (error) => {
        if (!error) return done(undefined, client, release)
        release(error)
        return done(error, undefined, NOOP)
      })
    })
  }

  /** Every checkout has a release() of its own, which works once. */
  _setRelease(client) {
    if (client._own !== undefined) return
    let released = false
    client.release = (error) => {
      if (released) throw new Error('Release called on client which has already been released to the pool.')
      released = true
      this._release(client, error)
    }
  }

  _release(client, error) {
    client._poolUseCount += 1
    this.emit('release', error, client)
    const worn = client._poolUseCount >= this.options.maxUses
    if (worn) this.log('remove expended client')
    this._giveBack(client, Boolean(error) || worn || !client._queryable || client._ending)
  }

  /** The library takes it back itself. */
  _endCheckout(client) {
    this.emit('release', undefined, client)
    this._checkedOut.delete(client)
    client._takeBack()
    // Its session was lost in the transaction.
    if (!client._queryable || this._clients.get(client.processID) !== client) this._forget(client)
  }

  _giveBack(client, close) {
    this._checkedOut.delete(client)
    addon.giveBack(client._takeBack(), close ? 1 : 0)
    if (close) this._forget(client)
    this._unbusy()
  }

  /** Its session ends. Said later, as in node-postgres: the counters drop first. */
  _forget(client) {
    if (this._clients.get(client.processID) === client) {
      this._clients.delete(client.processID)
      this._leaving.add(client.processID)
    }
    setImmediate(() => {
      client._closed()
      this.emit('remove', client)
    })
  }

  _unbusy() {
    this._busy -= 1
    this._hold?.ref()
    if (this._busy === 0) this._whenQuiet?.()
  }

  /**
   * Runs one query on any session: (text | config, values?, callback? | { maxRetries, signal, deadline, idempotent }?).
   * A session stays open when its statement fails, unlike in node-postgres, which pays a new session for every constraint
   * that says no. The option closeOnError: true has it as there.
   */
  query(text, values, third, fourth) {
    if (typeof text === 'function') {
      const error = new Error('Passing a function as the first parameter to pool.query is not supported')
      setImmediate(() => callBack(text, error))
      return undefined
    }
    let query
    try {
      query = readQuery(text, values, third, fourth)
    } catch (error) {
      const callback = [fourth, third, values].find((each) => typeof each === 'function')
      if (callback === undefined) return this.Promise.reject(error)
      nextTick(callBack, callback, error)
      return undefined
    }
    return traceQuery(query, this._parameters, this.Promise, () => {
      if (this.ending) query.fail(new Error('Cannot use a pool after calling end on the pool'))
      else this._run(query)
    })
  }

  _run(query) {
    if (this._handle === NONE) {
      this._busy += 1
      this._whenOpen(() => {
        this._run(query)
        this._unbusy()
      }, (error) => {
        this._unbusy()
        query.fail(error)
      })
      return
    }
    const fault = query.fault(this._names)
    if (fault) nextTick(() => query.fail(fault))
    else if (this._needsClient() || query.isScript) this._runOnClient(query)
    else this._submit(query)
  }

  /** Whether the program wants to see its queries go through clients: by events, or by methods of its own. */
  _needsClient() {
    return this._throughClients || this._hasOwnConnect || hasOwnQuery()
  }

  _submit(query) {
    query.inherit(this._types, this.options.binary, this._queryTimeout)
    const encoded = query.encode()
    if (encoded === undefined) return
    this._busy += 1
    query.owner = this
    const tag = take(query)
    query.number = submitted(tag, addon.submitQuery(this._handle, tag, query.text, encoded.buffer, encoded.count, query.format,
      query.idempotent ? 1 : 0, query.retries, query.deadline, this._waitLimit))
    if (query.signal !== undefined) query.watch(addon.cancel)
  }

  queryOver() {
    this._unbusy()
  }

  /** Through a client, so that listeners of the pool's events see it, and for texts of several statements. */
  _runOnClient(query) {
    if (query.deadline === 0) query.deadline = this._queryTimeout
    const options = { signal: query.signal, maxRetries: query.maxRetries, timeout: query.deadline || this._waitLimit }
    const begun = now()
    this._checkOut(options, (error, client) => {
      if (error) {
        query.fail(error)
        return
      }
      // It is the limit of the whole. What is left of it may be nothing, which must not become no limit.
      if (query.deadline > 0) query.deadline = Math.max(1, Math.ceil(query.deadline - (now() - begun)))
      const { callback, resolve, reject } = query
      const over = (failure, result) => {
        // Through a client of another class, whose connect() the program has, nothing is known but the error.
        client.release(failure && (this.options.closeOnError || !client._queryable) ? failure : undefined)
        if (callback !== undefined) callBack(callback, failure, result)
        else if (failure) reject(failure)
        else resolve(result)
      }
      if (hasOwnQuery(client)) {
        askOwnQuery(client, query, over)
        return
      }
      query.callback = bound(over)
      client._submit(query)
    })
  }

  get _hasOwnConnect() {
    return this.connect !== connect
  }

  /** Runs `fn(client)` in a transaction, which is run again when it conflicted with others. */
  transaction(fn, options) {
    return transaction(this, fn, options)
  }

  /** Rows of a large result one by one, on a client of its own. */
  async* iterate(text, values, options = {}) {
    const client = await this.connect({ signal: options.signal })
    try {
      yield* client.iterate(text, values, options)
    } finally {
      client.release()
    }
  }

  /**
   * No more clients are handed out; resolves when all sessions are closed. Waits for those in use as long as the option
   * closeTimeout says, then ends what they do.
   */
  end(callback) {
    if (this.ending) {
      const error = new Error('Called end on pool more than once')
      return callback ? callback(error) : this.Promise.reject(error)
    }
    this.ending = true
    const over = this._end()
    if (callback === undefined) return new this.Promise((resolve, reject) => over.then(() => resolve(), reject)).catch(recapture)
    over.then(() => callBack(callback), (error) => callBack(callback, error))
    return undefined
  }

  async _end() {
    await this._opening?.catch(NOOP)
    if (this._handle !== NONE) {
      await this._quiet()
      const handle = this._takeHandle()
      await promise((tag) => addon.closePool(handle, tag, this._closeLimit()))
      this._handle = NONE
    }
    for (const client of this._clients.values()) this._forget(client)
    // The event about the closed connection comes before the end's.
    await new Promise(setImmediate)
    this.ended = true
    clearInterval(this._hold)
    deafen(this._listener)
  }

  /** Waits for requests and clients; the library's own limit begins with its closing, so it is kept here. */
  _quiet() {
    if (this._busy === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, closeTimeout(this.options))
      this._whenQuiet = () => {
        clearTimeout(limit)
        resolve()
      }
    })
  }

  /** What waits was waited for here. A session whose last answer has come may still be on its way back to the library's pool. */
  _closeLimit() {
    return this._busy === 0 ? Math.min(closeTimeout(this.options), RETURN_MILLIS) : 0
  }

  _onEvent(event) {
    translate(this, event)
  }

  _onLog(record) {
    this.log(record.message, record)
  }

  /** The pool of this process and these options: the same one for every caller, also after modules were loaded again. */
  static shared(options) {
    return Shared.pool(Pool, options)
  }
}

/** As long as a session that does nothing takes at most to come back, on a busy machine. */
const RETURN_MILLIS = 1000

if (Symbol.asyncDispose) {
  Pool.prototype[Symbol.asyncDispose] = function dispose() {
    return this.ending ? Promise.resolve() : this.end()
  }
}

/** As this package has it, whatever a program puts in its place. */
const { connect } = Pool.prototype

module.exports = Pool
