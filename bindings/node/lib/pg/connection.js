'use strict'

const { EventEmitter } = require('node:events')

/**
 * node-postgres' Connection speaks the wire protocol. Here the library does: a client's has what programs listen to, which are
 * the settings that the server reports as a session begins.
 */
class Connection extends EventEmitter {
  connect() {
    throw new TypeError('connections are opened by the library: make a Client, or use node-postgres')
  }
}

module.exports = Connection
