'use strict'

module.exports = require('../defaults').defaults
