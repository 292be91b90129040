'use strict'

module.exports = require('../decode').Result
