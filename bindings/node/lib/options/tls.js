'use strict'

// `ssl` as node-postgres takes it, into the library's options, which take a PEM text wherever they take the name of a file.

/** The text of one certificate or key; Node takes keys with their passphrase, too. */
const pem = (value) => (typeof value === 'string' ? value : Buffer.from(value.pem ?? value).toString())

/** @param {string} name of the member of `ssl`; the value may be several texts, or the name of a file */
function text(name, value) {
  const content = Array.isArray(value) ? value.map(pem).join('\n') : pem(value)
  // What is no text is not shown either: it may be a key in another form.
  if (typeof value !== 'string' && !content.includes('-----BEGIN ')) throw new TypeError(`ssl.${name} must be PEM text, or the name of a file`)
  return content
}

/** What no option of the library stands for. */
const REFUSED = {
  pfx: 'give cert and key as PEM',
  checkServerIdentity: 'the name is checked against `host`; give rejectUnauthorized: false to check nothing',
  secureContext: 'give ca, cert and key',
}

/** node-postgres' reading of PGSSLMODE, which is stricter than libpq's. */
function fromEnvironment() {
  switch (process.env.PGSSLMODE) {
    case 'disable':
      return false
    case 'prefer':
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return true
    case 'no-verify':
      return 'no-verify'
    default:
      return undefined
  }
}

/** What is taken from `ssl`, or has nothing to say here. The servername is looked at where the host is known. */
const TAKEN = new Set([
  'rejectUnauthorized', 'ca', 'cert', 'key', 'crl', 'passphrase', 'minVersion', 'maxVersion', 'servername', 'sslrootcert', 'sslcert', 'sslkey',
])

const warned = new Set()
function check(ssl) {
  for (const name of Object.keys(ssl).filter((each) => ssl[each] !== undefined)) {
    if (REFUSED[name]) throw new TypeError(`ssl.${name} cannot be used with pg-holdfast: ${REFUSED[name]}`)
    if (TAKEN.has(name) || warned.has(name)) continue
    warned.add(name)
    process.emitWarning(`pg-holdfast does not know ssl.${name} and ignores it: see MIGRATING.md, TLS`)
  }
}

/** libpq verifies for sslmode=require, too, where there is a root certificate: in a file that cannot be there is none. */
const NO_ROOT = '/dev/null/none'
const UNVERIFIED = [['sslmode', 'require'], ['sslrootcert', NO_ROOT]]

/** Whom `ssl` trusts where it does not say so. */
const system = () => process.env.PGSSLROOTCERT || 'system'

function ofObject(ssl, hasRoot) {
  check(ssl)
  const pairs = []
  const ca = ssl.ca ?? ssl.sslrootcert
  if (ssl.rejectUnauthorized === false) pairs.push(...UNVERIFIED)
  else {
    pairs.push(['sslmode', 'verify-full'])
    if (ca || !hasRoot) pairs.push(['sslrootcert', ca ? text('ca', ca) : system()])
  }
  const cert = ssl.cert ?? ssl.sslcert
  if (cert) pairs.push(['sslcert', text('cert', cert)])
  const key = ssl.key ?? ssl.sslkey
  if (key) pairs.push(['sslkey', text('key', key?.pem ?? key)])
  const passphrase = [key].flat()[0]?.passphrase ?? ssl.passphrase
  if (passphrase) pairs.push(['sslpassword', passphrase])
  if (ssl.crl) pairs.push(['sslcrl', text('crl', ssl.crl)])
  if (ssl.minVersion) pairs.push(['ssl_min_protocol_version', ssl.minVersion])
  if (ssl.maxVersion) pairs.push(['ssl_max_protocol_version', ssl.maxVersion])
  return pairs
}

/**
 * @param {unknown} given the option `ssl`
 * @param {{ hasMode: boolean, hasRoot: boolean }} said whether sslmode and sslrootcert are given as options of their own
 * @returns {string[][]}
 */
function tlsPairs(given, { hasMode, hasRoot }) {
  const ssl = given === undefined && !hasMode ? fromEnvironment() : given
  if (ssl === undefined || ssl === null) return []
  if (ssl === false || ssl === 'false' || ssl === '') return [['sslmode', 'disable']]
  if (ssl === 'no-verify') return UNVERIFIED
  if (ssl === true || ssl === 'true') return ofObject({}, hasRoot)
  if (typeof ssl !== 'object') throw new TypeError(`ssl must be true, false, 'no-verify' or an object, not ${JSON.stringify(ssl)}`)
  return ofObject(ssl, hasRoot)
}

module.exports = { tlsPairs }
