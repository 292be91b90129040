'use strict'

// `ssl` as node-postgres takes it, into the library's options. Node takes certificates as text, the library as files: text
// is put into files that only this user can read, for as long as the pool may open connections.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const directories = new Set()
let removedAtExit = false
const remove = (directory) => {
  directories.delete(directory)
  fs.rmSync(directory, { recursive: true, force: true })
}

/** The text of one certificate or key; Node takes keys with their passphrase, too. */
const pem = (value) => (typeof value === 'string' ? value : Buffer.from(value.pem ?? value).toString())

class Files {
  constructor() {
    this.directory = null
  }

  /** The name of a file that has this text; what names a file already stays. */
  put(name, value) {
    const content = Array.isArray(value) ? value.map(pem).join('\n') : value
    if (typeof content === 'string' && !content.includes('-----BEGIN')) return content
    if (this.directory === null) {
      if (!removedAtExit) process.once('exit', () => [...directories].forEach(remove))
      removedAtExit = true
      this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-'))
      directories.add(this.directory)
    }
    const file = path.join(this.directory, name)
    fs.writeFileSync(file, content, { mode: 0o600 })
    return file
  }

  remove() {
    if (this.directory !== null) remove(this.directory)
    this.directory = null
  }
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

function ofObject(ssl, hasRoot, files) {
  check(ssl)
  const pairs = []
  const ca = ssl.ca ?? ssl.sslrootcert
  if (ssl.rejectUnauthorized === false) pairs.push(...UNVERIFIED)
  else {
    pairs.push(['sslmode', 'verify-full'])
    if (ca || !hasRoot) pairs.push(['sslrootcert', ca ? files.put('root.crt', ca) : system()])
  }
  const cert = ssl.cert ?? ssl.sslcert
  if (cert) pairs.push(['sslcert', files.put('client.crt', cert)])
  const key = ssl.key ?? ssl.sslkey
  if (key) pairs.push(['sslkey', files.put('client.key', key?.pem ?? key)])
  const passphrase = [key].flat()[0]?.passphrase ?? ssl.passphrase
  if (passphrase) pairs.push(['sslpassword', passphrase])
  if (ssl.crl) pairs.push(['sslcrl', files.put('revoked.crl', ssl.crl)])
  if (ssl.minVersion) pairs.push(['ssl_min_protocol_version', ssl.minVersion])
  if (ssl.maxVersion) pairs.push(['ssl_max_protocol_version', ssl.maxVersion])
  return pairs
}

/**
 * @param {unknown} given the option `ssl`
 * @param {{ hasMode: boolean, hasRoot: boolean }} said whether sslmode and sslrootcert are given as options of their own
 * @returns {{ pairs: string[][], files: Files }}
 */
function tlsPairs(given, { hasMode, hasRoot }) {
  const files = new Files()
  const ssl = given === undefined && !hasMode ? fromEnvironment() : given
  if (ssl === undefined || ssl === null) return { pairs: [], files }
  if (ssl === false || ssl === 'false' || ssl === '') return { pairs: [['sslmode', 'disable']], files }
  if (ssl === 'no-verify') return { pairs: UNVERIFIED, files }
  if (ssl === true || ssl === 'true') return { pairs: ofObject({}, hasRoot, files), files }
  if (typeof ssl !== 'object') throw new TypeError(`ssl must be true, false, 'no-verify' or an object, not ${JSON.stringify(ssl)}`)
  return { pairs: ofObject(ssl, hasRoot, files), files }
}

module.exports = { tlsPairs }
