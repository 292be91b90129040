'use strict'

module.exports = require('../type-overrides')
