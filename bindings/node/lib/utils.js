'use strict'

// pg-cursor takes it from here, where this package goes by the name of `pg`.

const { prepareValue } = require('./values')

module.exports = { prepareValue }
