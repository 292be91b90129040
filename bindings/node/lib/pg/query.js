'use strict'

module.exports = require('../query/object').Query
