'use strict'

const { addon, NONE, now, listen, deafen } = require('../native')
const { Causes } = require('../errors/causes')
const { fillCompatible } = require('../options/compatible')
const { copyOptions, hide } = require('../node/hidden')
const { NOOP } = require('../query')
const { readOptions } = require('../options')
const { parameters } = require('../options/parameters')
const { Shared } = require('./shared')
const { PoolSizes } = require('./sizes')

/** Pools that were dropped without end(): they cannot be used any more, so their connections go. */
const dropped = new FinalizationRegistry(({ handle, listener }) => {
  deafen(listener)
  addon.freePool(handle)
})

/** The library's options that say where a pool leads to. */
const OF_TARGET = new Set(['url', 'host', 'hostaddr', 'port', 'user', 'dbname', 'password', 'service'])

/** A pool's options, and the library's pool that is opened with them. */
class PoolOpening extends PoolSizes {
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
    hide(this, '_parameters', parameters(this.options))
    this._openEarly()
  }

  /**
   * What is wrong with where it leads to, or with a file, is said by the first query, as in node-postgres: builds import modules
   * without the environment that they run in. An option that can never work is refused at once.
   */
  _openEarly() {
    try {
      this._open()
    } catch (error) {
      if (error.kind === undefined || (error.kind === 'config' && !OF_TARGET.has(error.option))) throw error
    }
  }

  /** Opens the library's pool, which opens no connection yet. */
  _open() {
    const { pairs, queryTimeout, waitLimit } = readOptions(this.options)
    const level = this.options.log ? (this.options.logLevel ?? 3) : 0
    const asks = typeof this.options.password === 'function'
    this._queryTimeout = queryTimeout
    /** The most milliseconds that a request waits for a connection, 0 for no limit. */
    this._waitLimit = waitLimit
    const name = this.options.shared ? Shared.nameOf(pairs, this.options) : ''
    this._handle = now(addon.openPool(pairs, this._listener, level, name, asks ? 1 : 0))
    dropped.register(this, { handle: this._handle, listener: this._listener }, this)
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
    if (this._handle === NONE && !this.ending) this._open()
    return this._handle
  }

  async _openLate() {
    // Another caller may have been faster.
    if (this._handle === NONE) this._open()
  }

  /** The library opens a session, and one of its threads waits for the password. */
  _onPassword({ asking, wasRefused }) {
    this._askPassword(wasRefused).then(
      (password) => addon.answerPassword(asking, password, ''),
      (error) => {
        this._causes.passwordFailed(error)
        addon.answerPassword(asking, undefined, String(error?.message ?? error))
      },
    )
  }

  async _askPassword(wasRefused) {
    const { password } = this.options
    const said = typeof password === 'function' ? await password({ ...this._parameters, wasRefused }) : password
    if (said === undefined || said === null) return ''
    if (typeof said !== 'string') throw new TypeError('Password must be a string')
    return said
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
