'use strict'

const { after } = require('node:test')
const { startServer } = require('./server')
const { suite } = require('./drivers')
const { Certificates } = require('./certificates')

/** Who may come in how. Everybody else may, with TLS or without. */
const ACCESS = [
  'hostssl all with_cert    127.0.0.1/32 cert',
  'host    all with_cert    127.0.0.1/32 reject',
  'hostssl all only_tls     127.0.0.1/32 trust',
  'host    all only_tls     127.0.0.1/32 reject',
  'hostssl all by_scram     127.0.0.1/32 scram-sha-256',
  'host    all by_scram     127.0.0.1/32 reject',
  'hostssl all by_password  127.0.0.1/32 password',
  'host    all by_password  127.0.0.1/32 reject',
]

const ROLES = `
  create role with_cert login; create role only_tls login; create role by_scram login password 'secret';
  create role by_password login password 'secret';`

const ofServer = (certificates, name) => ({
  certificate: certificates.path(`${name}.crt`), key: certificates.path(`${name}.key`), authority: certificates.path('authority.crt'),
})

/** What of the surroundings says how to connect: tests say it themselves, each for its time. */
const SURROUNDINGS = ['PGSSLMODE', 'PGSSLROOTCERT', 'PGSSLCERT', 'PGSSLKEY', 'PGSSLCRL', 'PGSSLNEGOTIATION', 'SSL_CERT_FILE', 'SSL_CERT_DIR']

/** A suite whose server has TLS, and what its tests need beside it. */
function tlsSuite() {
  const certificates = new Certificates()
  const started = []
  const start = async (settings, more) => {
    const server = await startServer(settings, more)
    started.push(server)
    return server
  }
  // ~/.postgresql is none of the tests' business, nor is what the shell has.
  process.env.HOME = certificates.directory
  for (const name of SURROUNDINGS) delete process.env[name]

  const tests = suite(async () => {
    certificates.authority('authority')
    certificates.authority('another')
    certificates.issue('server', { authority: 'authority', subject: 'server', names: ['DNS:localhost', 'IP:127.0.0.1'] })
    certificates.issue('elsewhere', { authority: 'authority', subject: 'elsewhere', names: ['DNS:elsewhere.example', 'IP:192.0.2.1'] })
    certificates.issue('client', { authority: 'authority', subject: 'with_cert' })
    certificates.issue('stranger', { authority: 'another', subject: 'with_cert' })
    certificates.encrypt('client', 'locked', 'open sesame')
    const server = await start({}, { access: ACCESS, tls: ofServer(certificates, 'server') })
    const { Client } = require('pg')
    const client = new Client(server.config)
    await client.connect()
    await client.query(ROLES)
    await client.end()
    return server
  })
  after(() => {
    // The first is the suite's, which removes it.
    started.slice(1).forEach((server) => server.remove())
    certificates.remove()
  })

  const others = {}
  return {
    ...tests,
    certificates,
    /** A server whose certificate is made out to others. */
    elsewhere: async () => (others.elsewhere ??= await start({}, { tls: ofServer(certificates, 'elsewhere') })),
    /** A server without TLS. */
    plain: async () => (others.plain ??= await start()),
  }
}

/** What the server says about the session. */
async function session(pool) {
  const { rows } = await pool.query(
    'select current_user as name, ssl, version, client_dn as subject from pg_stat_ssl where pid = pg_backend_pid()')
  return rows[0]
}

/** Runs with variables of the environment as given, and has them back as they were. */
async function surrounded(variables, body) {
  const before = Object.keys(variables).map((name) => [name, process.env[name]])
  Object.assign(process.env, variables)
  try {
    return await body()
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

module.exports = { tlsSuite, session, surrounded }
