'use strict'

// `ssl` as node-postgres takes it, into the library's options. Node takes certificates as text, the library as files: text
// is put into files that only this user can read, for as long as the pool may open connections.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const directories = new Set()
const remove = (directory) => {
  directories.delete(directory)
  fs.rmSync(directory, { recursive: true, force: true })
}

class Files {
  constructor() {
    this.directory = null
  }

  /** The name of a file that has this text; what names a file already stays. */
  put(name, value) {
    const content = Array.isArray(value) ? value.map(String).join('\n') : value
    if (typeof content === 'string' && !content.includes('-----BEGIN')) return content
    if (this.directory === null) {
      if (directories.size === 0) process.once('exit', () => [...directories].forEach(remove))
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

/** @returns {{ pairs: string[][], files: Files }} */
function tlsPairs(given) {
  const files = new Files()
  const ssl = given === undefined ? fromEnvironment() : given
  if (ssl === undefined || ssl === null) return { pairs: [], files }
  if (ssl === false || ssl === 'false') return { pairs: [['sslmode', 'disable']], files }
  if (ssl === 'no-verify') return { pairs: [['sslmode', 'require']], files }
  if (ssl === true || ssl === 'true') return { pairs: [['sslmode', 'verify-full'], ['sslrootcert', process.env.PGSSLROOTCERT || 'system']], files }
  if (typeof ssl !== 'object') throw new TypeError(`ssl must be true, false, 'no-verify' or an object, not ${JSON.stringify(ssl)}`)
  for (const [name, remedy] of Object.entries(REFUSED)) {
    if (ssl[name] !== undefined) throw new TypeError(`ssl.${name} cannot be used with pg-holdfast: ${remedy}`)
  }
  const verify = ssl.rejectUnauthorized !== false
  const pairs = [['sslmode', verify ? 'verify-full' : 'require']]
  const ca = ssl.ca ?? ssl.sslrootcert
  // Without verification a root certificate has nothing to say, and would make libpq's `require` verify after all.
  if (verify) pairs.push(['sslrootcert', ca ? files.put('root.crt', ca) : 'system'])
  const cert = ssl.cert ?? ssl.sslcert
  if (cert) pairs.push(['sslcert', files.put('client.crt', cert)])
  const key = ssl.key ?? ssl.sslkey
  if (key) pairs.push(['sslkey', files.put('client.key', key)])
  if (ssl.passphrase) pairs.push(['sslpassword', ssl.passphrase])
  if (ssl.minVersion) pairs.push(['ssl_min_protocol_version', ssl.minVersion])
  if (ssl.maxVersion) pairs.push(['ssl_max_protocol_version', ssl.maxVersion])
  return { pairs, files }
}

module.exports = { tlsPairs }
