'use strict'

const { addon, NONE, now, listen, deafen } = require('./native')
const { nextTick } = require('./timers')
const { Causes } = require('./causes')
const { fillCompatible } = require('./compatible')
const { copyOptions, hide } = require('./hidden')
const { NOOP } = require('./query')
const { readOptions } = require('./options')
const { parameters } = require('./parameters')
const { PoolMetrics } = require('./pool-metrics')
const { Shared } = require('./shared')

/** Pools that were dropped without end(): they cannot be used any more, so their connections go. */
const dropped = new FinalizationRegistry(({ handle, listener, files }) => {
  deafen(listener)
  addon.freePool(handle)
  files.remove()
})

/** The library's options that say where a pool leads to. */
const OF_TARGET = new Set(['url', 'host', 'hostaddr', 'port', 'user', 'dbname', 'password', 'service'])

/** What a request fails with whose password is refused, or whose pool is replaced by one with another. */
const REFUSALS = new Set(['auth', 'pool_closed'])

/** A pool's options and password, and the library's pool that is opened with them. */
class PoolOpening extends PoolMetrics {
  /** @param {string | object} [options] node-postgres' options and Holdfast's own, in camelCase */
  constructor(options) {
    super()
    this.options = fillCompatible(copyOptions(options))
    this.ending = false
    this.ended = false
    this._handle = NONE
    this._opening = undefined
    hide(this, '_causes', new Causes())
    this._listener = listen(this)
    hide(this, '_password', undefined)
    hide(this, '_parameters', parameters(this.options))
    if (typeof this.options.password !== 'function') this._openEarly()
  }

  /**
   * What is wrong with where it leads to, or with a file, is said by the first query, as in node-postgres: builds import modules without the environment
   * that they run in. An option that can never work is refused at once.
   */
  _openEarly() {
    try {
      this._open(this.options.password)
    } catch (error) {
      if (error.kind === undefined || (error.kind === 'config' && !OF_TARGET.has(error.option))) throw error
    }
  }

  /** Opens the library's pool, which opens no connection yet. */
  _open(password) {
    const { pairs, queryTimeout, waitLimit, files } = readOptions(this.options, password)
    const level = this.options.log ? (this.options.logLevel ?? 3) : 0
    this._password = password
    this._queryTimeout = queryTimeout
    /** The most milliseconds that a request waits for a connection, 0 for no limit. */
    this._waitLimit = waitLimit
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

  /** The pool may not be open yet: `then` is called once it is. */
  _whenOpen(then, failed) {
    this._opening ??= this._openLate()
    this._opening.then(then, (error) => {
      this._opening = undefined
      failed(error)
    })
  }

  /** The library's pool; what is wrong with the options is thrown. */
  _usable() {
    if (this._handle === NONE && !this.ending && typeof this.options.password !== 'function') this._open(this.options.password)
    return this._handle
  }

  /** A password may have to be waited for. */
  async _openLate() {
    const password = await this._askPassword()
    // Another caller may have been faster.
    if (this._handle === NONE) this._open(password)
  }

  async _askPassword() {
    const { password } = this.options
    const said = typeof password === 'function' ? await password(this._parameters) : password
    if (said !== undefined && said !== null && typeof said !== 'string' && typeof password === 'function') throw new TypeError('Password must be a string')
    return said
  }

  /**
   * A password that changes, as tokens do: the function is asked again when the server refuses what it said before, and
   * sessions are opened with what it says now. Those there are stay. Each request has it asked once at most; one that was
   * made to a pool that was replaced meanwhile is made to the new one.
   * @param {number} handle of the pool that the request was made to
   * @param {boolean} isSecondTry whether it has had it asked
   */
  _refused(error, again, handle, isSecondTry) {
    if (!REFUSALS.has(error.kind) || typeof this.options.password !== 'function' || this.ending) return false
    if (handle !== this._handle && this._handle !== NONE) {
      nextTick(again)
      return true
    }
    if (error.kind !== 'auth' || isSecondTry) return false
    const before = this._password
    if (this._reopening === undefined) {
      this._reopening = (async () => {
        const password = await this._askPassword()
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

  /** The error of what the addon describes. */
  _errorOf(description) {
    return this._causes.errorOf(description)
  }

  /** The handle is another's now, who closes it. */
  _takeHandle() {
    dropped.unregister(this)
    const handle = this._handle
    this._opening?.catch(NOOP)
    return handle
  }
}

module.exports = { PoolOpening }
