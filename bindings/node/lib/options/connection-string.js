'use strict'

// Connection strings as pg-connection-string reads them: the library reads the URL itself, but for parameters that only
// node-postgres has, and `ssl` and `sslmode`, whose meaning is stricter there.

/** Parameters that are node-postgres' options and not the library's. */
const OURS = new Set([
  'ssl', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'query_timeout', 'keepAlive',
  'keepAliveInitialDelayMillis', 'options',
])

const SCHEME = /^([a-z][a-z\d+.-]*):\/\//i
const BARE_PERCENT = /%(?![\da-f]{2})/gi

/**
 * A URL as the library takes it. node-postgres has it read by Node's URL, which takes any scheme, in upper case too, leaves out
 * line ends and blanks around it, and escapes what needs it.
 */
function normalUrl(string) {
  const trimmed = string.trim().replace(/[\t\n\r]/g, '')
  if (!SCHEME.test(trimmed)) return trimmed
  return trimmed.replace(SCHEME, 'postgresql://').replace(BARE_PERCENT, '%25').replace(/ /g, '%20')
}

function decode(part) {
  return decodeURIComponent(part.replace(/\+/g, ' '))
}

/** "/var/run/postgresql db" and "socket:/var/run/postgresql?db=db" */
function readSocket(string) {
  if (string.startsWith('/')) {
    const [host, database] = string.split(' ')
    return { options: { host, ...(database && { database }) }, text: undefined, hasHost: true }
  }
  const [path, query = ''] = string.slice('socket:'.length).split('?')
  const database = new URLSearchParams(query).get('db')
  return { options: { host: decode(path), ...(database && { database }) }, text: undefined, hasHost: true }
}

const SSL = new Map([['true', true], ['1', true], ['false', false], ['0', false]])

function readSsl(parameters) {
  const { ssl, sslmode, sslnegotiation, uselibpqcompat } = parameters
  const files = {}
  for (const name of ['sslrootcert', 'sslcert', 'sslkey']) if (parameters[name]) files[name] = parameters[name]
  if (uselibpqcompat === 'true' && sslmode) {
    // node-postgres believes the system's authorities then, libpq none.
    if (sslmode === 'verify-full') return { ssl: files }
    return { ssl: null, sslmode, ...files }
  }
  if (sslmode === 'disable') return { ssl: false }
  if (sslmode === 'no-verify') return { ssl: { rejectUnauthorized: false, ...files } }
  // node-postgres verifies for all others, where libpq would for the last two only.
  if (sslmode || Object.keys(files).length > 0) return { ssl: files }
  if (ssl !== undefined) return { ssl: SSL.get(ssl) ?? ssl }
  return sslnegotiation === 'direct' ? { ssl: true } : {}
}

/**
 * @param {string} given
 * @param {(name: string) => boolean} isKnown whether the library has an option of this name
 * @returns {{ options: object, text: string | undefined, hasHost: boolean, host?: string, says?: (name: string) => boolean, mentions?: (name: string) => boolean }}
 * options for JavaScript, the rest for the library, and whether that names something
 */
function readConnectionString(given, isKnown) {
  const string = normalUrl(given)
  if (string.startsWith('/') || string.startsWith('socket:')) return readSocket(string)
  if (!/^postgres(ql)?:\/\//.test(string)) {
    const says = (name) => new RegExp(`\\b${name}\\s*=`).test(string)
    return { options: {}, text: string, hasHost: says('host(addr)?'), says, mentions: says }
  }
  const at = string.indexOf('?')
  const base = at < 0 ? string : string.slice(0, at)
  const authority = base.slice(base.indexOf('//') + 2).split('/')[0]
  const parameters = {}
  const kept = []
  for (const pair of at < 0 ? [] : string.slice(at + 1).split('&')) {
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    parameters[name] = equals < 0 ? '' : decode(pair.slice(equals + 1))
    if (!OURS.has(name) && !/^ssl(mode|cert|key|rootcert)$/.test(name) && isKnown(name)) kept.push(pair)
  }
  const options = {}
  for (const name of OURS) if (name !== 'ssl' && parameters[name] !== undefined) options[name] = parameters[name]
  Object.assign(options, readSsl(parameters))
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  return {
    options,
    text: kept.length > 0 ? `${base}?${kept.join('&')}` : base,
    mentions: (name) => parameters[name] !== undefined,
    host: parameters.host || host.replace(/:\d*$/, '').replace(/^\[|\]$/g, ''),
    hasHost: (host !== '' && !host.startsWith(':')) || Boolean(parameters.host || parameters.hostaddr),
  }
}

module.exports = { readConnectionString, normalUrl }
