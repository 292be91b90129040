'use strict'

// pg-cursor takes it from here, where this package goes by the name of `pg`.

module.exports = require('./decode').Result
