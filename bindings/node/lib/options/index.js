'use strict'

// Options of a Pool, as node-postgres and Holdfast name them, into the pairs that holdfast_config_set takes. One table says
// what becomes of node-postgres' names; Holdfast's own come from the library, in camelCase or as it writes them.

const net = require('node:net')
const { addon } = require('../native')
const { readConnectionString } = require('./connection-string')
const { setDefaultsFor } = require('./defaults')
const { defaultMax } = require('./pool-defaults')
const { tlsPairs } = require('./tls')
const { readWaiting } = require('./waiting')

const HOUR = 3_600_000
const YEAR = 365 * 24 * HOUR

/** Options of the library, by its spelling and in camelCase. */
const known = new Map()
const camel = (key) => key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())
for (const option of addon.options()) {
  known.set(option.key, option)
  known.set(camel(option.key), option)
}

const text = (key) => (value) => [key, String(value)]

function number(name, value, remedy) {
  const read = Number(value)
  if (Number.isNaN(read) || read < 0) throw new TypeError(`${name} must be a number from 0 on, not ${JSON.stringify(value)}: ${remedy}`)
  return read
}

const milliseconds = (key, zero) => (value, name) => {
  const read = number(name, value, 'give milliseconds, such as 15000')
  return [key, `${read === 0 ? zero : Math.ceil(read)}ms`]
}

/** A setting of the session, sent at its start. */
const setting = (name) => (value, given, settings) => {
  const read = number(given, value, 'give milliseconds, or leave it out for none')
  if (read > 0) settings.push(`-c ${name}=${Math.trunc(read)}`)
}

/** node-postgres' options. What is here with null is for JavaScript alone, or has nothing to say here. */
const TABLE = {
  user: text('user'),
  host: text('host'),
  port: text('port'),
  database: text('dbname'),
  application_name: text('application_name'),
  fallback_application_name: text('fallback_application_name'),
  client_encoding: text('client_encoding'),
  sslnegotiation: text('sslnegotiation'),
  max: (value, name) => (value ? ['max_size', String(Math.trunc(number(name, value, 'give the most connections, such as 8')))] : undefined),
  min: (value, name) => ['min_idle', String(Math.trunc(number(name, value, 'give how many to keep open')))],
  idleTimeoutMillis: milliseconds('idle_timeout', YEAR),
  // With what else bounds a wait: lib/options/waiting.js.
  connectionTimeoutMillis: null,
  maxLifetimeSeconds: (value, name) => ['max_lifetime', `${Math.ceil(number(name, value, 'give seconds') * 1000)}ms`],
  statement_timeout: setting('statement_timeout'),
  lock_timeout: setting('lock_timeout'),
  idle_in_transaction_session_timeout: setting('idle_in_transaction_session_timeout'),
  options: (value, name, settings) => {
    settings.push(String(value))
  },
  keepAlive: (value) => ['keepalives', value ? '1' : '0'],
  keepAliveInitialDelayMillis: (value, name) => {
    const read = number(name, value, 'give milliseconds')
    return read === 0 ? undefined : ['keepalives_idle', `${Math.max(1, Math.ceil(read / 1000))}s`]
  },
  // As in node-postgres, 0 is no limit of one's own: what the library allows at most.
  scramMaxIterations: (value, name) => {
    const read = number(name, value, 'give a number of iterations')
    return ['scram_max_iterations', String(read === 0 ? 10_000_000 : read)]
  },
  allowExitOnIdle: null,
  binary: null,
  Client: null,
  closeOnError: null,
  compatible: null,
  connectionString: null,
  enableChannelBinding: null,
  log: null,
  logLevel: null,
  maxUses: null,
  onConnect: null,
  password: null,
  pipeline: null,
  poolSize: null,
  Promise: null,
  query_timeout: null,
  shared: null,
  ssl: null,
  types: null,
  verify: null,
}

/** What cannot be had, and why. */
const REFUSED = {
  stream: 'connections are opened by the library, not by Node; leave it out',
  connection: 'connections are opened by the library, not by Node; leave it out',
}

const warned = new Set()
function warnUnknown(name) {
  if (warned.has(name)) return
  warned.add(name)
  process.emitWarning(`pg-holdfast does not know the option ${JSON.stringify(name)} and ignores it: see the table of options in its README`)
}

/** An option of the library's own. Numbers for durations are milliseconds in camelCase, else as the library takes them. */
function ownOption(name, value) {
  const option = known.get(name)
  if (option === undefined) return undefined
  if (option.kind === 'boolean') return [option.key, value === true ? 'true' : value === false ? 'false' : String(value)]
  if (option.kind === 'duration' && typeof value === 'number' && name !== option.key) return [option.key, `${Math.ceil(value)}ms`]
  return [option.key, String(value)]
}

/** What node-postgres takes for not given if it is empty, as variables of the environment may be. */
const OPEN_IF_EMPTY = new Set(['user', 'host', 'port', 'database', 'application_name', 'fallback_application_name', 'client_encoding', 'connectionString', 'options'])

function given(options) {
  return Object.entries(options).filter(([name, value]) => {
    if (value === undefined || value === null || Number.isNaN(value)) return false
    return value || !OPEN_IF_EMPTY.has(name)
  })
}

/** As node-postgres has it: `min` says only how many idle ones are kept. */
function limitMinimum(options) {
  if (options.min > 0 && options.min > (options.max || defaultMax())) options.min = options.max || defaultMax()
}

/** A class of clients is built upon this package's, of whichever registry of modules. */
function checkClient(Class) {
  if (Class === undefined || Class === null || typeof Class.prototype?._beginCheckout === 'function') return
  throw new TypeError('the option Client must be a class that extends the Client of pg-holdfast, since the library opens the connections')
}

/**
 * What the library is to be told.
 * @param {object} options as the program gave them
 * @returns {{ pairs: string[], queryTimeout: number, waitLimit: number }}
 */
function readOptions(options) {
  const pairs = []
  const settings = []
  const push = (pair) => {
    if (pair) pairs.push(pair[0], pair[1])
  }
  // The pool hides it, so that it is not copied with the rest.
  const merged = { ...options, sslpassword: options.sslpassword, ...setDefaultsFor(options) }
  checkClient(options.Client)
  if (merged.max === undefined && merged.poolSize !== undefined) merged.max = merged.poolSize
  const url = merged.connectionString ? readConnectionString(String(merged.connectionString), (name) => known.has(name)) : undefined
  // What a connection string says wins over single fields, as in node-postgres.
  if (url) Object.assign(merged, url.options)

  limitMinimum(merged)
  if (hostIsOpen(merged, url)) push(['host', 'localhost'])
  for (const [name, value] of given(merged)) {
    if (REFUSED[name]) throw new TypeError(`the option ${name} cannot be used with pg-holdfast: ${REFUSED[name]}`)
    const row = TABLE[name]
    if (row) push(row(value, name, settings))
    else if (row === undefined && value !== false && name === 'replication') throw new TypeError('replication connections cannot be pooled: use node-postgres for them')
    else if (row === undefined && typeof value !== 'function') {
      const own = ownOption(name, value)
      if (own) push(own)
      else warnUnknown(name)
    }
  }
  const isGiven = (key) => merged[key] !== undefined || merged[camel(key)] !== undefined || Boolean(url?.mentions?.(key)) || process.env[`HOLDFAST_${key.toUpperCase()}`] !== undefined
  const waiting = readWaiting(merged, isGiven)
  for (const pair of waiting.pairs) push(pair)
  // A function is asked by the library, for each session.
  const secret = typeof options.password === 'function' ? undefined : options.password || merged.password
  if (secret !== undefined && secret !== null && secret !== '') push(['password', String(secret)])
  if (url?.text) pairs.push('', url.text)
  if (settings.length > 0) push(['options', [process.env.PGOPTIONS && !merged.options ? process.env.PGOPTIONS : '', ...settings].join(' ').trim()])
  checkServername(merged, url)
  const says = (name) => Boolean(merged[name] || url?.says?.(name))
  if (merged.compatible && merged.ssl === undefined && !says('sslmode') && !process.env.PGSSLMODE) merged.ssl = false
  for (const pair of tlsPairs(merged.ssl, { hasMode: says('sslmode'), hasRoot: says('sslrootcert') })) push(pair)
  if (merged.allowExitOnIdle !== undefined) push(['allow_exit_on_idle', String(Boolean(merged.allowExitOnIdle))])
  return { pairs, queryTimeout: Number(merged.query_timeout) || 0, waitLimit: waiting.limit }
}

/** The name that a certificate is checked against. node-postgres has it looked at only where the host is an address. */
function checkServername({ ssl, host = process.env.PGHOST }, url) {
  if (!ssl?.servername || ssl.servername === host || net.isIP(url?.host || host || '') === 0) return
  throw new TypeError('ssl.servername cannot be used with pg-holdfast: give the name as `host` and the address as `hostaddr`')
}

/** Whether nothing says where the server is: node-postgres then goes to localhost, libpq to a socket. */
function hostIsOpen(options, url) {
  if (options.host || options.hostaddr || options.service || url?.hasHost) return false
  return !['PGHOST', 'PGHOSTADDR', 'PGSERVICE', 'HOLDFAST_HOST', 'HOLDFAST_HOSTADDR', 'HOLDFAST_SERVICE'].some((name) => process.env[name])
}

module.exports = { readOptions }
