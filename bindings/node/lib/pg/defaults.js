'use strict'

module.exports = require('../options/defaults').defaults
