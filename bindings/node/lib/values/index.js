'use strict'

module.exports = { ...require('./prepare'), ...require('./encode'), ...require('./escape') }
