'use strict'

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { Client } = require('pg')

/**
 * A PostgreSQL of its own for a test file: made in a temporary directory, on a free port of 127.0.0.1 and on a Unix socket,
 * and gone afterwards. DATABASE_URL is not looked at: tests change settings of the server and restart it.
 */

/** Where the server's programs are: on the PATH, or where distributions put them. */
function binaries() {
  const roots = ['/usr/lib/postgresql', '/usr/local/pgsql', '/opt/homebrew/opt']
  const found = (process.env.PATH ?? '').split(path.delimiter)
  for (const root of roots) {
    if (!fs.existsSync(root)) continue
    const versions = fs.readdirSync(root).sort((a, b) => parseFloat(b) - parseFloat(a))
    found.push(...versions.map((version) => path.join(root, version, 'bin')), path.join(root, 'bin'))
  }
  const directory = found.find((each) => fs.existsSync(path.join(each, 'initdb')) && fs.existsSync(path.join(each, 'pg_ctl')))
  if (directory === undefined) {
    throw new Error('initdb and pg_ctl are neither on the PATH nor in /usr/lib/postgresql: install PostgreSQL (Debian: apt-get install postgresql)')
  }
  return directory
}

/** The server refuses to run as root: then it runs as the user that the package made for it. */
function account() {
  if (process.getuid?.() !== 0) return {}
  const ids = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: ids('-u'), gid: ids('-g') }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

class Server {
  constructor(directory, port) {
    this.directory = directory
    this.data = path.join(directory, 'data')
    this.port = port
    this.host = '127.0.0.1'
    this.user = 'postgres'
    this.database = 'postgres'
  }

  get url() {
    return `postgres://${this.user}@${this.host}:${this.port}/${this.database}`
  }

  /** What a Pool's constructor takes. */
  get config() {
    const { host, port, user, database } = this
    return { host, port, user, database }
  }

  run(program, ...args) {
    const options = { ...account(), cwd: this.directory, stdio: ['ignore', 'ignore', 'pipe'], timeout: 60000 }
    try {
      execFileSync(path.join(binaries(), program), args, options)
    } catch (error) {
      const log = path.join(this.directory, 'log')
      const said = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').slice(-2000) : ''
      throw new Error(`${program} failed: ${error.stderr ?? error.message}\n${said}`)
    }
  }

  start() {
    this.run('pg_ctl', 'start', '-w', '-s', '-D', this.data, '-l', path.join(this.directory, 'log'))
  }

  stop(mode = 'fast') {
    this.run('pg_ctl', 'stop', '-w', '-s', '-m', mode, '-D', this.data)
  }

  restart(mode = 'fast') {
    this.run('pg_ctl', 'restart', '-w', '-s', '-m', mode, '-D', this.data, '-l', path.join(this.directory, 'log'))
  }

  /** Has it ask this role for its password over TCP, and returns once it does: it reads its files a moment after it is told to. */
  async demandPassword(role) {
    const hba = path.join(this.data, 'pg_hba.conf')
    fs.writeFileSync(hba, `host all ${role} 127.0.0.1/32 scram-sha-256\n${fs.readFileSync(hba, 'utf8')}`)
    this.run('pg_ctl', 'reload', '-s', '-D', this.data)
    const end = Date.now() + 15000
    for (;;) {
      const client = new Client({ ...this.config, user: role, password: 'none' })
      const error = await client.connect().then(() => client.end(), (each) => each)
      if (error?.code === '28P01') return
      if (Date.now() > end) throw new Error(`the server still lets ${role} in without a password`)
    }
  }

  /** Stops it and takes everything away. */
  remove() {
    if (fs.existsSync(path.join(this.data, 'postmaster.pid'))) this.stop('immediate')
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Settings for TLS, for which the server gets copies that are its own: of others' keys it wants none. */
function tlsSettings(server, { certificate, key, authority }) {
  const { uid, gid } = account()
  const own = (name, from) => {
    const file = path.join(server.data, name)
    fs.writeFileSync(file, fs.readFileSync(from), { mode: 0o600 })
    if (uid !== undefined) fs.chownSync(file, uid, gid)
    return name
  }
  return { ssl: 'on', ssl_cert_file: own('own.crt', certificate), ssl_key_file: own('own.key', key), ssl_ca_file: own('clients.crt', authority) }
}

/** A free port may be taken by another test's program before the server has it: then it gets another one. */
async function startOnFreePort(server) {
  for (let attempts = 5; ; attempts--) {
    try {
      server.start()
      return
    } catch (error) {
      if (attempts === 1 || !/Address already in use/.test(error.message)) throw error
    }
    server.port = await freePort()
    fs.appendFileSync(path.join(server.data, 'postgresql.conf'), `port = ${server.port}\n`)
  }
}

/**
 * Starts one; `settings` are of postgresql.conf.
 * @param {Record<string, string | number>} [settings]
 * @param {object} [more]
 * @param {string[]} [more.access] lines of pg_hba.conf that come before those there are, which let everybody in
 * @param {{ certificate: string, key: string, authority: string }} [more.tls] files: the server's, and whose clients it believes
 */
async function startServer(settings = {}, { access = [], tls } = {}) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-'))
  const { uid, gid } = account()
  if (uid !== undefined) fs.chownSync(directory, uid, gid)
  const server = new Server(directory, await freePort())
  server.run('initdb', '-D', server.data, '-U', server.user, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync')
  const all = {
    listen_addresses: server.host,
    port: server.port,
    unix_socket_directories: directory,
    fsync: 'off',
    max_connections: 50,
    ...(tls && tlsSettings(server, tls)),
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'\n`)
  fs.appendFileSync(path.join(server.data, 'postgresql.conf'), lines.join(''))
  const hba = path.join(server.data, 'pg_hba.conf')
  fs.writeFileSync(hba, [...access, fs.readFileSync(hba, 'utf8')].join('\n'))
  await startOnFreePort(server)
  return server
}

module.exports = { startServer }
