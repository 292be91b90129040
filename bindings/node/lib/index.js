'use strict'

const types = require('pg-types')
const Pool = require('./pool')
const { Client } = require('./client')
const { Query } = require('./query/object')
const { sql } = require('./query/sql')
const { DatabaseError, HoldfastError } = require('./errors')
const { escapeIdentifier, escapeLiteral } = require('./values')
const { defaults } = require('./options/defaults')
const Connection = require('./pg/connection')
const utils = require('./pg/utils')
const { Result } = require('./decode')
const TypeOverrides = require('./decode/type-overrides')

Client.Query = Query

const holdfast = { Pool, Client, Query, types, DatabaseError, HoldfastError, Result, TypeOverrides, Connection, escapeIdentifier, escapeLiteral, sql, utils, defaults }

/** node-postgres' binding of libpq, for programs that fall back to the rest where there is none. */
Object.defineProperty(holdfast, 'native', { value: null, enumerable: false, configurable: true })

module.exports = holdfast
// As node-postgres, for programs that are compiled from `import pg from 'pg'`.
module.exports.default = holdfast
