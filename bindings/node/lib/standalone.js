'use strict'

// A client without a pool, as programs use one for a script or for LISTEN: it has a pool of its own with one session.

const { EventEmitter } = require('node:events')
const { recapture, callBack } = require('./query')

const FORWARDED = ['notice', 'notification', 'error', 'end', 'drain']

class Client extends EventEmitter {
  constructor(options) {
    super()
    const Pool = require('./pool')
    this._pool = new Pool({ ...(typeof options === 'string' ? { connectionString: options } : options), max: 1, fleetShare: false })
    this._client = undefined
    this._connecting = false
    Object.assign(this, this._pool._parameters)
  }

  connect(callback) {
    if (callback) {
      this._connect().then(() => callBack(callback, null, this), (error) => callBack(callback, error))
      return undefined
    }
    return this._connect().then(() => this).catch(recapture)
  }

  async _connect() {
    if (this._connecting) throw new Error('Client has already been connected. You cannot reuse a client.')
    this._connecting = true
    this._client = await this._pool.connect()
    this.processID = this._client.processID
    for (const name of FORWARDED) if (this.listenerCount(name) > 0) this._forward(name)
    this.emit('connect')
  }

  _forward(name) {
    const forward = (...args) => this.emit(name, ...args)
    this._client.on(name, forward)
  }

  on(name, listener) {
    if (this._client && FORWARDED.includes(name) && this.listenerCount(name) === 0) this._forward(name)
    return super.on(name, listener)
  }

  addListener(name, listener) {
    return this.on(name, listener)
  }

  query(...given) {
    if (this._client) return this._client.query(...given)
    // Before connect(), as there: it waits.
    return this.connect().then(() => this._client.query(...given))
  }

  end(callback) {
    const over = (async () => {
      if (this._client) {
        await this._client._idle()
        this._client.release(true)
      }
      await this._pool.end()
    })()
    if (callback === undefined) return over
    over.then(() => callBack(callback), (error) => callBack(callback, error))
    return undefined
  }
}

for (const name of ['iterate', 'setTypeParser', 'getTypeParser', 'getTransactionStatus', 'ref', 'unref', 'escapeIdentifier', 'escapeLiteral']) {
  Client.prototype[name] = function forwarded(...given) {
    return this._client[name](...given)
  }
}

if (Symbol.asyncDispose) {
  Client.prototype[Symbol.asyncDispose] = function dispose() {
    return this.end()
  }
}

module.exports = { Client }
