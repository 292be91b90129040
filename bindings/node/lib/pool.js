'use strict'

const { addon, NONE, take, submitted, promise, now, listen, deafen } = require('./native')
const { setImmediate, setTimeout, clearTimeout, setInterval, clearInterval, nextTick, now: clock } = require('./timers')
const { toError } = require('./errors')
const { readQuery, recapture, callBack, retriesOf, NOOP } = require('./query')
const { readOptions } = require('./options')
const { parameters } = require('./parameters')
const { Client } = require('./client')
const { transaction } = require('./transaction')
const { translate } = require('./happenings')
const { ShownPool } = require('./shown')
const { Shared } = require('./shared')

/** Events that are about single clients: with a listener for one of them, queries go through clients as well. */
const OF_CLIENTS = new Set(['connect', 'acquire', 'release', 'remove'])

/** How often a pool that keeps the process alive while it has sessions looks whether it has any. */
const HOLD_MILLIS = 100

/** Pools that were dropped without end(): nobody can use them, so their connections go. */
const dropped = new FinalizationRegistry(({ handle, listener, files }) => {
  deafen(listener)
  addon.freePool(handle)
  files.remove()
})

class Pool extends ShownPool {
  /** @param {object} [options] node-postgres' options and Holdfast's own, in camelCase */
  constructor(options) {
    super()
    if (typeof options === 'string') options = { connectionString: options }
    this.options = { ...options }
    hide(this.options, 'password')
    hide(this.options, 'sslpassword')
    if (this.options.ssl) this.options.ssl = withHiddenKey(this.options.ssl)
    this.log = this.options.log || NOOP
    this.Promise = this.options.Promise || Promise
    this.ending = false
    this.ended = false
    /** Requests under way and clients handed out. */
    this._busy = 0
    /** Clients by the server's process, for as long as their session lives. */
    this._clients = new Map()
    this._lent = new Set()
    /** When sessions were opened, by the server's process. One of another thread, which shares the pool, may not be there. */
    this._openedAt = new Map()
    this._names = new Map()
    this._types = this.options.types
    this._handle = NONE
    this._whenQuiet = undefined
    this._opening = undefined
    this._password = undefined
    hide(this, '_password')
    this._throughClients = Boolean(this.options.onConnect || this.options.verify || this.options.maxUses || this.options.closeOnError)
    this._listener = listen(this)
    this._parameters = parameters(this.options)
    if (typeof this.options.password !== 'function') this._open(this.options.password)
    // Only who says so has an idle session keep the process alive, as it does by default in node-postgres.
    this._hold = this.options.allowExitOnIdle === false ? setInterval(() => this._holdWhileOpen(), HOLD_MILLIS).unref() : undefined
    this._setDefaults()
  }

  _holdWhileOpen() {
    if (this.totalCount > 0) this._hold.ref()
    else this._hold.unref()
  }

  /** Opens the library's pool, which opens no connection yet. */
  _open(password) {
    const { pairs, queryTimeout, files } = readOptions(this.options, password)
    const level = this.options.log ? (this.options.logLevel ?? 3) : 0
    this._password = password
    this._queryTimeout = queryTimeout
    const name = this.options.shared ? Shared.nameOf(pairs, this.options.shared) : ''
    try {
      this._handle = now(addon.openPool(pairs, this._listener, level, name))
    } catch (error) {
      files.remove()
      throw error
    }
    // With another password, those of the pool before.
    this._files?.remove()
    this._files = files
    dropped.register(this, { handle: this._handle, listener: this._listener, files }, this)
  }

  /** A password may have to be waited for: `then` is called once the pool is open. */
  _whenOpen(then, failed) {
    this._opening ??= (async () => {
      const password = await this.options.password(this._parameters)
      if (password !== undefined && password !== null && typeof password !== 'string') throw new TypeError('Password must be a string')
      // The pool's options have it under the same name.
      if (this._handle === NONE) this._open(password)
    })()
    this._opening.then(then, (error) => {
      this._opening = undefined
      failed(error)
    })
  }

  /**
   * A password that changes, as tokens do: the function is asked again when the server refuses what it said before, and
   * sessions are opened with what it says now. Those there are stay.
   */
  _refused(error, again) {
    if (error.kind !== 'auth' || typeof this.options.password !== 'function' || this.ending) return false
    const before = this._password
    if (this._reopening === undefined) {
      this._reopening = (async () => {
        const password = await this.options.password(this._parameters)
        if (password === before) return false
        const old = this._handle
        dropped.unregister(this)
        this._open(password)
        addon.freePool(old)
        return true
      })().finally(() => {
        this._reopening = undefined
      })
    }
    this._reopening.then((changed) => again(changed ? undefined : error), again)
    return true
  }

  _setDefaults() {
    const { options } = this
    options.max = this._handle === NONE ? options.max || options.poolSize || defaultMax() : this._figures()[5]
    options.min ||= 0
    options.maxUses ||= Infinity
    options.maxLifetimeSeconds ??= 1800
    options.idleTimeoutMillis ??= 15000
    options.allowExitOnIdle ??= true
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
    if (callback === undefined) {
      return new this.Promise((resolve, reject) => {
        this._acquire(typeof given === 'object' && given !== null ? given : {}, (error, client) => (error ? reject(error) : resolve(client)))
      }).catch(recapture)
    }
    this._acquire({}, (error, client, release) => callBack(callback, error, client, release))
    return undefined
  }

  /** `done(error, client, release)` is never called before this returns. */
  _acquire(options, done, known) {
    if (known === undefined) this._busy += 1
    const failed = (error) => {
      this._unbusy()
      done(error, undefined, NOOP)
    }
    if (this._handle === NONE) {
      this._whenOpen(() => this._acquire(options, done, true), failed)
      return
    }
    const { signal, maxRetries, timeout = 0 } = options
    let over = false
    const settle = (failure, handle, processID) => {
      signal?.removeEventListener('abort', abort)
      if (failure) {
        const error = toError(failure)
        const again = (refused) => (refused ? failed(refused) : this._acquire(options, done, true))
        if (over) this._unbusy()
        else if (known === 'again' || !this._refused(error, again)) failed(error)
        return
      }
      if (over) {
        this._unbusy()
        addon.giveBack(handle, 0)
        return
      }
      this._handOut(handle, processID, done)
    }
    const tag = take({ settle })
    const number = submitted(tag, addon.submitAcquire(this._handle, tag, retriesOf(maxRetries), timeout))
    const abort = () => {
      addon.cancel(number)
      over = true
      done(signal.reason, undefined, NOOP)
    }
    if (signal?.aborted) nextTick(abort)
    else signal?.addEventListener('abort', abort, { once: true })
  }

  _handOut(handle, processID, done) {
    let client = this._clients.get(processID)
    const isNew = client === undefined
    if (isNew) {
      client = new Client(this, processID)
      client._openedAt = this._openedAt.get(processID) ?? Date.now()
      this._clients.set(processID, client)
    }
    client._lend(handle, false)
    this._lent.add(client)
    const out = () => {
      this.emit('acquire', client)
      let released = false
      client.release = (error) => {
        if (released) throw new Error('Release called on client which has already been released to the pool.')
        released = true
        this._release(client, error)
      }
      if (!isNew || !this.options.verify) {
        done(undefined, client, client.release)
        return
      }
      this.options.verify(client, (error) => {
        if (!error) return done(undefined, client, client.release)
        client.release(error)
        return done(error, undefined, NOOP)
      })
    }
    if (!isNew) return out()
    const begin = () => {
      this.emit('connect', client)
      out()
    }
    if (!this.options.onConnect) return begin()
    new Promise((resolve) => resolve(this.options.onConnect(client))).then(begin, (error) => {
      this._giveBack(client, true)
      done(error, undefined, NOOP)
    })
    return undefined
  }

  _release(client, error) {
    client._poolUseCount += 1
    this.emit('release', error, client)
    const worn = client._poolUseCount >= this.options.maxUses
    if (worn) this.log('remove expended client')
    this._giveBack(client, Boolean(error) || worn || !client._queryable || client._ending)
  }

  _giveBack(client, close) {
    this._lent.delete(client)
    addon.giveBack(client._takeBack(), close ? 1 : 0)
    if (close) this._forget(client)
    this._unbusy()
  }

  /** Its session ends. Said later, as in node-postgres: the counters drop first. */
  _forget(client) {
    if (this._clients.get(client.processID) === client) this._clients.delete(client.processID)
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
    const result = query.promised(this.Promise)
    if (this.ending) query.fail(new Error('Cannot use a pool after calling end on the pool'))
    else this._run(query)
    return result
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
    else if (this._throughClients || query.isScript) this._runOnClient(query)
    else this._submit(query)
  }

  _submit(query) {
    query.inherit(this._types, this.options.binary, this._queryTimeout)
    const encoded = query.encode()
    if (encoded === undefined) return
    this._busy += 1
    query.owner = this
    if (typeof this.options.password === 'function') {
      query.again = (error) => {
        query.again = undefined
        return this._refused(error, (refused) => {
          this._unbusy()
          if (refused) query.fail(refused)
          else this._submit(query)
        })
      }
    }
    const tag = take(query)
    query.number = submitted(tag, addon.submitQuery(this._handle, tag, query.text, encoded.buffer, encoded.count, query.format,
      query.idempotent ? 1 : 0, query.retries, query.deadline))
    if (query.signal !== undefined) query.watch(addon.cancel)
  }

  queryOver() {
    this._unbusy()
  }

  /** Through a client, so that whoever listens to the pool's events sees it, and for texts of several statements. */
  _runOnClient(query) {
    if (query.deadline === 0) query.deadline = this._queryTimeout
    const options = { signal: query.signal, maxRetries: query.maxRetries, timeout: query.deadline }
    const begun = clock()
    this._acquire(options, (error, client) => {
      if (error) {
        query.fail(error)
        return
      }
      // It is the limit of the whole. What is left of it may be nothing, which must not become no limit.
      if (query.deadline > 0) query.deadline = Math.max(1, Math.ceil(query.deadline - (clock() - begun)))
      const { callback, resolve, reject } = query
      const over = (failure, result) => {
        client.release(failure && (this.options.closeOnError || !client._queryable) ? failure : undefined)
        if (callback !== undefined) callBack(callback, failure, result)
        else if (failure) reject(failure)
        else resolve(result)
      }
      query.callback = over
      client._submit(query)
    })
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
      dropped.unregister(this)
      const handle = this._handle
      await promise((tag) => addon.closePool(handle, tag, NO_LIMIT))
      this._files.remove()
      this._handle = NONE
    }
    for (const client of this._clients.values()) this._forget(client)
    // What was closed is told before the end is.
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

  _onEvent(happening) {
    translate(this, happening)
  }

  _onLog(record) {
    this.log(record.message, record)
  }

  /** The pool of this process and these options: the same one for whoever asks, also after modules were loaded again. */
  static shared(options) {
    return Shared.pool(Pool, options)
  }
}

/** As closePool takes it: what waits was waited for. */
const NO_LIMIT = 0

function hide(object, name) {
  if (!(name in object)) return
  Object.defineProperty(object, name, { configurable: true, enumerable: false, writable: true, value: object[name] })
}

/** A copy, since hiding the key in the program's own object would hide it from who copies that. */
function withHiddenKey(ssl) {
  if (typeof ssl !== 'object') return ssl
  const copy = { ...ssl }
  for (const name of ['key', 'passphrase']) {
    if (ssl[name] === undefined) continue
    copy[name] = ssl[name]
    hide(copy, name)
  }
  return copy
}

function defaultMax() {
  return (process.env.HOLDFAST_ENV || process.env.NODE_ENV) === 'production' ? 8 : 5
}

const MILLIS = { us: 1e-3, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** In milliseconds, from what the library has accepted when the pool was opened: a number, or '5s'. */
function closeTimeout(options) {
  const given = options.closeTimeout ?? options.close_timeout ?? process.env.HOLDFAST_CLOSE_TIMEOUT ?? 5000
  const [, count, unit] = /^(\d+)\s*([a-z]*)$/.exec(String(given).trim()) ?? []
  return Number(count ?? 5000) * (MILLIS[unit] ?? 1)
}

if (Symbol.asyncDispose) {
  Pool.prototype[Symbol.asyncDispose] = function dispose() {
    return this.ending ? Promise.resolve() : this.end()
  }
}

module.exports = Pool
