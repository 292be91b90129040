'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

/** Certificates as an administrator makes them, with openssl, in a temporary directory. */
class Certificates {
  constructor() {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'certificates-'))
    // The server runs as somebody else, and has to reach its own.
    fs.chmodSync(this.directory, 0o755)
  }

  /** The path of a file of them. */
  path(name) {
    return path.join(this.directory, name)
  }

  /** Its text. */
  text(name) {
    return fs.readFileSync(this.path(name), 'utf8')
  }

  openssl(...args) {
    try {
      execFileSync('openssl', args, { cwd: this.directory, stdio: ['ignore', 'ignore', 'pipe'], timeout: 30000 })
    } catch (error) {
      throw new Error(`openssl ${args.join(' ')} failed: ${error.stderr ?? error.message}`)
    }
  }

  /** An authority: `name`.crt and `name`.key. */
  authority(name) {
    this.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
      '-keyout', `${name}.key`, '-out', `${name}.crt`)
  }

  /**
   * A certificate signed by an authority: `name`.crt and `name`.key.
   * @param {string[]} [names] whom it is for, such as 'DNS:localhost'
   */
  issue(name, { authority, subject, names = [] }) {
    this.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${subject}`,
      '-keyout', `${name}.key`, '-out', `${name}.csr`)
    const extensions = this.path(`${name}.ext`)
    fs.writeFileSync(extensions, names.length > 0 ? `subjectAltName=${names.join(',')}\n` : 'keyUsage=digitalSignature\n')
    this.openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-CAcreateserial',
      '-days', '2', '-extfile', extensions, '-out', `${name}.crt`)
    fs.chmodSync(this.path(`${name}.key`), 0o600)
  }

  /** The same key under a passphrase: `to`.key. */
  encrypt(name, to, passphrase) {
    this.openssl('pkcs8', '-topk8', '-in', `${name}.key`, '-out', `${to}.key`, '-passout', `pass:${passphrase}`)
    fs.chmodSync(this.path(`${to}.key`), 0o600)
  }

  /** `list`.crl: what the authority has revoked, which is one certificate, or nothing. */
  revoke(authority, certificate, list) {
    const database = this.path(`${list}.db`)
    fs.writeFileSync(database, '')
    const settings = this.path(`${list}.cnf`)
    fs.writeFileSync(settings, `[ca]\ndefault_ca=it\n[it]\ndatabase=${database}\ndefault_md=sha256\ndefault_crl_days=2\n`)
    const as = ['-config', settings, '-cert', `${authority}.crt`, '-keyfile', `${authority}.key`]
    if (certificate !== undefined) this.openssl('ca', ...as, '-revoke', `${certificate}.crt`)
    this.openssl('ca', ...as, '-gencrl', '-out', `${list}.crl`)
  }

  remove() {
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

module.exports = { Certificates }
