'use strict'

const types = require('pg-types')
const Pool = require('./pool')
const { Client } = require('./standalone')
const { DatabaseError, HoldfastError } = require('./errors')
const { escapeIdentifier, escapeLiteral, settings } = require('./values')
const { Result } = require('./decode')
const TypeOverrides = require('./type-overrides')

/** What node-postgres has under this name and means something here. */
const defaults = {
  get parseInputDatesAsUTC() {
    return settings.parseInputDatesAsUTC
  },
  set parseInputDatesAsUTC(value) {
    settings.parseInputDatesAsUTC = Boolean(value)
  },
  /** int8 as numbers, for all. */
  set parseInt8(value) {
    types.setTypeParser(20, 'text', value ? types.getTypeParser(23, 'text') : types.getTypeParser(25, 'text'))
    types.setTypeParser(1016, 'text', value ? types.getTypeParser(1007, 'text') : types.getTypeParser(1009, 'text'))
  },
}

const holdfast = { Pool, Client, types, DatabaseError, HoldfastError, Result, TypeOverrides, escapeIdentifier, escapeLiteral, defaults }

module.exports = holdfast
// As node-postgres, for programs that are compiled from `import pg from 'pg'`.
module.exports.default = holdfast
