'use strict'

// node-postgres' defaults, which a program may set before it makes pools and clients: what neither an option nor the environment
// says.

const types = require('pg-types')
const { settings } = require('../values')

const INT8 = 20
const INT8_ARRAY = 1016
// As pg-types has them, not as a program may have set them.
const ofInt8 = types.getTypeParser(INT8, 'text')
const ofInt8Array = types.getTypeParser(INT8_ARRAY, 'text')

const initial = {
  host: 'localhost',
  user: process.env.USER,
  database: undefined,
  password: null,
  connectionString: undefined,
  port: 5432,
  rows: 0,
  binary: false,
  max: 10,
  idleTimeoutMillis: 30000,
  client_encoding: '',
  ssl: false,
  sslnegotiation: undefined,
  application_name: undefined,
  fallback_application_name: undefined,
  options: undefined,
  statement_timeout: false,
  lock_timeout: false,
  idle_in_transaction_session_timeout: false,
  query_timeout: false,
  connect_timeout: 0,
  keepalives: 1,
  keepalives_idle: 0,
}

const defaults = {
  ...initial,
  get parseInputDatesAsUTC() {
    return settings.parseInputDatesAsUTC
  },
  set parseInputDatesAsUTC(value) {
    settings.parseInputDatesAsUTC = Boolean(value)
  },
  /** int8 as numbers, for all. */
  set parseInt8(value) {
    types.setTypeParser(INT8, 'text', value ? types.getTypeParser(23, 'text') : ofInt8)
    types.setTypeParser(INT8_ARRAY, 'text', value ? types.getTypeParser(1007, 'text') : ofInt8Array)
  },
}

/** Those that node-postgres looks at for each connection, and the variable of the environment that comes before them. */
const LOOKED_AT = {
  user: 'PGUSER', database: 'PGDATABASE', host: 'PGHOST', port: 'PGPORT', password: 'PGPASSWORD', options: 'PGOPTIONS', ssl: 'PGSSLMODE',
  sslnegotiation: 'PGSSLNEGOTIATION', binary: undefined, client_encoding: 'PGCLIENTENCODING', application_name: 'PGAPPNAME',
  fallback_application_name: undefined, statement_timeout: undefined, lock_timeout: undefined,
  idle_in_transaction_session_timeout: undefined, query_timeout: undefined, connectionString: undefined,
}

/** The options that a program has set as defaults, where `options` and the environment leave them open. */
function setDefaultsFor(options) {
  const said = {}
  for (const [name, variable] of Object.entries(LOOKED_AT)) {
    const isSet = defaults[name] !== initial[name]
    if (isSet && !options[name] && options[name] !== false && !(variable && process.env[variable])) said[name] = defaults[name]
  }
  return said
}

module.exports = { defaults, setDefaultsFor }
