'use strict'

// A client without a pool, as programs use one for a script or for LISTEN: it has a pool of its own with one session.

const { EventEmitter } = require('node:events')
const { recapture, callBack } = require('./query')

const FORWARDED = ['notice', 'notification', 'error', 'end', 'drain']

/** As PostgreSQL's protocol has it: what a server reports without being asked, with the upper and lower case it gives them. */
const REPORTED = [
  'application_name', 'client_encoding', 'DateStyle', 'default_transaction_read_only', 'in_hot_standby', 'integer_datetimes',
  'IntervalStyle', 'is_superuser', 'server_encoding', 'server_version', 'session_authorization', 'standard_conforming_strings', 'TimeZone',
]

class Client extends EventEmitter {
  constructor(options) {
    super()
    const Pool = require('./pool')
    this._pool = new Pool({ ...(typeof options === 'string' ? { connectionString: options } : options), max: 1, fleetShare: false })
    this._client = undefined
    this._connecting = false
    /**
     * Of node-postgres' connection only what Sequelize looks at: the settings that the server reports as a session begins.
     * It is no property that shows, since it is not the client's own business.
     */
    Object.defineProperty(this, 'connection', { value: new EventEmitter(), enumerable: false })
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
    if (this.connection.listenerCount('parameterStatus') > 0) await this._tellParameters()
    for (const name of FORWARDED) if (this.listenerCount(name) > 0) this._forward(name)
    this.emit('connect')
  }

  async _tellParameters() {
    const { rows } = await this._client.query('select name, setting from pg_settings where name = any ($1)', [REPORTED])
    for (const { name, setting } of rows) this.connection.emit('parameterStatus', { name: 'parameterStatus', parameterName: name, parameterValue: setting })
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
