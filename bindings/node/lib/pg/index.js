'use strict'

// The files below this folder are what packages require of `pg/lib/...`, for where this package goes by the name of `pg`: the
// exports of package.json lead there.

module.exports = require('../index')
