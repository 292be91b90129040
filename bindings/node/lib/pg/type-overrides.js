'use strict'

module.exports = require('../decode/type-overrides')
