'use strict'

const types = require('pg-types')
const Pool = require('./pool')
const { Client } = require('./client')
const { Query } = require('./query-object')
const { DatabaseError, HoldfastError } = require('./errors')
const { escapeIdentifier, escapeLiteral } = require('./values')
const { defaults } = require('./defaults')
const { Result } = require('./decode')
const TypeOverrides = require('./type-overrides')

Client.Query = Query

const holdfast = { Pool, Client, Query, types, DatabaseError, HoldfastError, Result, TypeOverrides, escapeIdentifier, escapeLiteral, defaults }

module.exports = holdfast
// As node-postgres, for programs that are compiled from `import pg from 'pg'`.
module.exports.default = holdfast
