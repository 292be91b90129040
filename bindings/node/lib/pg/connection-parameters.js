'use strict'

const { copyOptions, hide } = require('../node/hidden')
const { parameters } = require('../options/parameters')

/** Where options lead to, as node-postgres' class of this name reads them with the environment. */
class ConnectionParameters {
  constructor(config) {
    const { connectionString, ...options } = copyOptions(config)
    const { password, ...leads } = parameters(copyOptions(config))
    Object.assign(this, options, leads)
    hide(this, 'password', password)
    this.ssl = options.ssl ?? false
    this.isDomainSocket = !(this.host || '').indexOf('/')
  }
}

module.exports = ConnectionParameters
