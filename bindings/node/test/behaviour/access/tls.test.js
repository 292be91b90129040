'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { tlsSuite, session, surrounded } = require('../../support/tls')

// TLS as node-postgres has it, against servers with certificates of the tests' own.
const { both, ours, certificates, elsewhere, plain } = tlsSuite()

const ca = () => certificates.text('authority.crt')

/** What each package says of a certificate that it does not accept. pg-holdfast has to name the step and what was wrong. */
async function assertRefused(name, pool, cause) {
  await assert.rejects(session(pool), (error) => {
    if (name === 'pg') return true
    assert.equal(error.kind, 'tls')
    assert.equal(error.phase, 'tls')
    assert.match(error.summary, cause)
    assert.match(error.code, cause === OTHER_NAME ? /^ERR_TLS_CERT_ALTNAME_INVALID$/ : /^[A-Z_]+$/)
    assert.equal(error.retryable, false)
    return true
  })
}

const UNKNOWN_AUTHORITY = /self-signed certificate in certificate chain|unable to get local issuer certificate/
const OTHER_NAME = /IP address mismatch|hostname mismatch/i

both('ssl: true refuses a server whose authority nobody knows', async ({ name, pool }) => {
  await assertRefused(name, pool({ ssl: true }), UNKNOWN_AUTHORITY)
  await assertRefused(name, pool({ ssl: {} }), UNKNOWN_AUTHORITY)
  await assertRefused(name, pool({ host: 'localhost', ssl: true }), UNKNOWN_AUTHORITY)
})

both('a server is accepted whose authority is given, under each of its names', async ({ pool }) => {
  for (const host of ['127.0.0.1', 'localhost']) {
    const { ssl, version } = await session(pool({ host, ssl: { ca: ca() } }))
    assert.equal(ssl, true)
    assert.match(version, /^TLSv1\.[23]$/)
  }
})

both('an authority can be a text, a Buffer, or several of either', async ({ pool }) => {
  const others = certificates.text('another.crt')
  for (const given of [Buffer.from(ca()), new Uint8Array(Buffer.from(ca())), [ca()], [Buffer.from(others), ca()], `${others}${ca()}`]) {
    assert.equal((await session(pool({ ssl: { ca: given } }))).ssl, true)
  }
})

both('a server of another authority is refused', async ({ name, pool }) => {
  await assertRefused(name, pool({ ssl: { ca: certificates.text('another.crt') } }), UNKNOWN_AUTHORITY)
})

both('a server whose certificate is made out to others is refused', async ({ name, pool }) => {
  const { config } = await elsewhere()
  await assertRefused(name, pool({ ...config, ssl: { ca: ca() } }), OTHER_NAME)
  await assertRefused(name, pool({ ...config, host: 'localhost', ssl: { ca: ca() } }), OTHER_NAME)
  await assertRefused(name, pool({ ...config, host: 'localhost', ssl: { ca: ca(), rejectUnauthorized: true } }), OTHER_NAME)
})

both('a program that asks for no verification gets TLS with any server', async ({ pool }) => {
  const { config } = await elsewhere()
  for (const ssl of [{ rejectUnauthorized: false }, 'no-verify', { rejectUnauthorized: false, ca: certificates.text('another.crt') }]) {
    assert.equal((await session(pool({ ssl }))).ssl, true)
    assert.equal((await session(pool({ ...config, ssl }))).ssl, true)
  }
})

both('no verification is none, also where the surroundings name an authority', ({ pool }) => (
  surrounded({ PGSSLROOTCERT: certificates.path('another.crt') }, async () => {
    assert.equal((await session(pool({ ssl: 'no-verify' }))).ssl, true)
    assert.equal((await session(pool({ ssl: { rejectUnauthorized: false } }))).ssl, true)
  })
))

both('ssl: false is plain, and a server that wants TLS says so', async ({ pool }) => {
  assert.equal((await session(pool({ ssl: false }))).ssl, false)
  await assert.rejects(session(pool({ user: 'only_tls', ssl: false })), { code: '28000', message: /no encryption/ })
  assert.equal((await session(pool({ user: 'only_tls', ssl: { ca: ca() } }))).name, 'only_tls')
})

both('a server without TLS is refused where TLS is wanted', async ({ pool }) => {
  const { config } = await plain()
  for (const ssl of [true, 'no-verify', { ca: ca() }, { rejectUnauthorized: false }]) {
    await assert.rejects(session(pool({ ...config, ssl })), /server does not support (SSL|TLS)/)
  }
  assert.equal((await session(pool({ ...config, ssl: false }))).ssl, false)
})

const SUBJECT = '/CN=with_cert'

both('a certificate of the client is what a role may demand', async ({ pool }) => {
  const [cert, key] = ['client.crt', 'client.key'].map((name) => certificates.text(name))
  const user = 'with_cert'
  for (const pair of [{ cert, key }, { cert: Buffer.from(cert), key: Buffer.from(key) }, { cert: [cert], key: [key] },
    { cert: [Buffer.from(cert)], key: [{ pem: key }] }]) {
    assert.equal((await session(pool({ user, ssl: { ca: ca(), ...pair } }))).subject, SUBJECT)
  }
  await assert.rejects(session(pool({ user, ssl: { ca: ca() } })), { code: '28000', message: /valid client certificate/ })
  const [stranger, strangersKey] = ['stranger.crt', 'stranger.key'].map((name) => certificates.text(name))
  const ssl = { ca: ca(), cert: stranger, key: strangersKey }
  await assert.rejects(session(pool({ user: 'only_tls', ssl, retryMax: 0 })))
})

both('a certificate of somebody else opens no session', async ({ pool }) => {
  const ssl = { ca: ca(), cert: certificates.text('server.crt'), key: certificates.text('server.key') }
  await assert.rejects(session(pool({ user: 'with_cert', ssl })), { code: '28000' })
})

both('a key may be locked with a passphrase', async ({ pool }) => {
  const given = { ca: ca(), cert: certificates.text('client.crt') }
  const key = certificates.text('locked.key')
  const user = 'with_cert'
  assert.match(key, /ENCRYPTED/)
  for (const ssl of [{ ...given, key, passphrase: 'open sesame' }, { ...given, key: [{ pem: key, passphrase: 'open sesame' }] }]) {
    assert.equal((await session(pool({ user, ssl }))).subject, SUBJECT)
  }
  await assert.rejects(async () => session(pool({ user, ssl: { ...given, key, passphrase: 'wrong' } })))
  await assert.rejects(async () => session(pool({ user, ssl: { ...given, key } })))
})

both('a key that belongs to another certificate is refused', async ({ pool }) => {
  const ssl = { ca: ca(), cert: certificates.text('client.crt'), key: certificates.text('stranger.key') }
  await assert.rejects(async () => session(pool({ user: 'with_cert', ssl })))
})

both('the versions of TLS can be limited on both sides', async ({ pool }) => {
  assert.equal((await session(pool({ ssl: { ca: ca(), maxVersion: 'TLSv1.2' } }))).version, 'TLSv1.2')
  assert.equal((await session(pool({ ssl: { ca: ca(), minVersion: 'TLSv1.3' } }))).version, 'TLSv1.3')
  await assert.rejects(async () => session(pool({ ssl: { ca: ca(), minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' } })))
})

both('a certificate that was revoked is refused where the list is given', async ({ name, pool }) => {
  certificates.revoke('authority', 'server', 'revoked')
  certificates.revoke('authority', undefined, 'nothing')
  await assertRefused(name, pool({ ssl: { ca: ca(), crl: certificates.text('revoked.crl') } }), /certificate revoked/)
  assert.equal((await session(pool({ ssl: { ca: ca(), crl: certificates.text('nothing.crl') } }))).ssl, true)
})

both('passwords are asked for over TLS, as they are and by SCRAM', async ({ pool }) => {
  for (const user of ['by_password', 'by_scram']) {
    assert.equal((await session(pool({ user, password: 'secret', ssl: { ca: ca() } }))).name, user)
    await assert.rejects(session(pool({ user, password: 'wrong', ssl: { ca: ca() } })), { code: '28P01' })
  }
  assert.equal((await session(pool({ user: 'by_scram', password: 'secret', ssl: { ca: ca() }, enableChannelBinding: true }))).name, 'by_scram')
})

ours('channel binding can be insisted on, and then nothing but SCRAM over TLS will do', async ({ pool }) => {
  const given = { password: 'secret', ssl: { ca: ca() }, channelBinding: 'require' }
  assert.equal((await session(pool({ ...given, user: 'by_scram' }))).name, 'by_scram')
  await assert.rejects(session(pool({ ...given, user: 'by_password' })), /channel binding/)
  assert.throws(() => pool({ ...given, user: 'by_scram', ssl: false }), /channel_binding.*sslmode/)
})

// The meaning of PGSSLMODE in node-postgres, which is stricter than libpq's.
for (const mode of ['prefer', 'require', 'verify-ca', 'verify-full']) {
  both(`PGSSLMODE=${mode} is ssl: true`, ({ name, pool }) => surrounded({ PGSSLMODE: mode }, async () => {
    await assertRefused(name, pool(), UNKNOWN_AUTHORITY)
    assert.equal((await session(pool({ ssl: { ca: ca() } }))).ssl, true)
    assert.equal((await session(pool({ ssl: false }))).ssl, false)
  }))
}

both('PGSSLMODE may ask for no TLS, or for no verification', ({ pool }) => surrounded({ PGSSLMODE: 'disable' }, async () => {
  assert.equal((await session(pool())).ssl, false)
  process.env.PGSSLMODE = 'no-verify'
  assert.equal((await session(pool())).ssl, true)
}))

ours('what the program says about TLS goes before PGSSLMODE', ({ pool, server }) => surrounded({ PGSSLMODE: 'verify-full' }, async () => {
  assert.equal((await session(pool({ sslmode: 'disable' }))).ssl, false)
  assert.equal((await session(pool({ sslmode: 'require' }))).ssl, true)
  const { host, port, user, database } = server
  const text = `host=${host} port=${port} user=${user} dbname=${database}`
  assert.equal((await session(pool({ connectionString: `${text} sslmode=disable` }))).ssl, false)
  assert.equal((await session(pool({ connectionString: `${text} sslrootcert=${certificates.path('authority.crt')}` }))).ssl, true)
}))

ours('ssl: true believes whom sslrootcert or the surroundings name', async ({ pool }) => {
  const file = certificates.path('authority.crt')
  assert.equal((await session(pool({ ssl: true, sslrootcert: file }))).ssl, true)
  await surrounded({ PGSSLROOTCERT: file }, async () => assert.equal((await session(pool({ ssl: true }))).ssl, true))
})

// Whose authorities those are is looked up when a process starts.
both("ssl: true believes the authorities of the surroundings' own store", ({ name, server }) => {
  const program = `
    const { Pool } = require(${JSON.stringify(require.resolve(name === 'pg' ? 'pg' : '../../..'))})
    const pool = new Pool({ ...${JSON.stringify(server.config)}, ssl: true })
    pool.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()').then(({ rows }) => { console.log(rows[0].ssl); return pool.end() })`
  const file = certificates.path('authority.crt')
  const env = { ...process.env, [name === 'pg' ? 'NODE_EXTRA_CA_CERTS' : 'SSL_CERT_FILE']: file }
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', env, timeout: 20000 })
  assert.equal(stdout, 'true\n', stderr)
})

// libpq's default, on purpose: node-postgres has no TLS unless it is asked for.
ours('without a word about TLS it is used where the server has it', async ({ pool }) => {
  assert.equal((await session(pool())).ssl, true)
  assert.equal((await session(pool({ ...(await plain()).config }))).ssl, false)
})

// As in libpq; node-postgres looks at neither.
ours('a certificate of the client may be where libpq looks for it, and a key that others can read is refused', async ({ pool }) => {
  const user = 'with_cert'
  const ssl = { ca: ca() }
  const file = (name) => certificates.path(name)
  await surrounded({ PGSSLCERT: file('client.crt'), PGSSLKEY: file('client.key') }, async () => {
    assert.equal((await session(pool({ user, ssl }))).subject, SUBJECT)
  })
  const place = path.join(process.env.HOME, '.postgresql')
  fs.mkdirSync(place)
  try {
    fs.copyFileSync(file('client.crt'), path.join(place, 'postgresql.crt'))
    fs.copyFileSync(file('client.key'), path.join(place, 'postgresql.key'))
    fs.chmodSync(path.join(place, 'postgresql.key'), 0o600)
    assert.equal((await session(pool({ user, ssl }))).subject, SUBJECT)
    fs.chmodSync(path.join(place, 'postgresql.key'), 0o644)
    await assert.rejects(pool({ user, ssl }).connect(), /postgresql\.key" is open to others \(mode 644\): set it to 0600/)
  } finally {
    fs.rmSync(place, { recursive: true })
  }
})

ours('on a Unix socket there is no TLS, whatever is asked for', async ({ pool, server }) => {
  assert.equal((await session(pool({ host: server.directory, ssl: true }))).ssl, false)
})

ours('options of ssl that cannot be had are refused or warned of, by name', async ({ Pool, pool, server }) => {
  const warnings = []
  const listener = (warning) => warnings.push(warning.message)
  process.on('warning', listener)
  assert.throws(() => new Pool({ ssl: { checkServerIdentity() {} } }), /ssl\.checkServerIdentity .*rejectUnauthorized: false/)
  assert.throws(() => new Pool({ ssl: { secureContext: {} } }), /ssl\.secureContext .*ca, cert and key/)
  assert.throws(() => new Pool({ ssl: 'yes' }), /ssl must be true, false, 'no-verify' or an object, not "yes"/)
  assert.throws(() => new Pool({ host: '127.0.0.1', ssl: { servername: 'db.example' } }), /ssl\.servername .*`host`.*`hostaddr`/)
  assert.equal((await session(pool({ host: 'localhost', ssl: { ca: ca(), servername: 'ignored.example' } }))).ssl, true)
  assert.equal((await session(pool({ host: 'localhost', hostaddr: server.host, ssl: { ca: ca() } }))).ssl, true)
  await session(pool({ ssl: { ca: ca(), ciphers: 'HIGH' } }))
  await session(pool({ ssl: { ca: ca(), ciphers: 'HIGH' } }))
  await new Promise(setImmediate)
  process.off('warning', listener)
  assert.deepEqual(warnings.filter((each) => each.includes('ssl.ciphers')).length, 1)
})

both('direct negotiation with a server that does not know it fails clearly', async ({ pool }) => {
  const made = pool()
  const { rows: [{ version }] } = await made.query("select current_setting('server_version_num')::int as version")
  const direct = pool({ ssl: { ca: ca() }, sslnegotiation: 'direct' })
  if (version >= 170000) assert.equal((await session(direct)).ssl, true)
  else await assert.rejects(session(direct), /unexpected EOF|disconnected before secure TLS connection/)
  await assert.rejects(async () => session(pool({ sslnegotiation: 'direct', ssl: false })), /sslnegotiation.*direct/)
})

ours('a failure of TLS names the server and comes with a remedy', async ({ pool, server }) => {
  const faults = [
    [{ ssl: true }, /certificate verify failed/],
    [{ ...(await elsewhere()).config, ssl: { ca: ca() } }, /mismatch/],
    [{ ...(await plain()).config, ssl: { ca: ca() } }, /does not support TLS/],
  ]
  for (const [options, cause] of faults) {
    await assert.rejects(session(pool(options)), (error) => {
      assert.match(error.summary, cause)
      assert.equal(error.target, `127.0.0.1:${options.port ?? server.port}`)
      assert.ok(error.remedy, `no remedy with: ${error.summary}`)
      return true
    })
  }
})

// With TLS 1.3 the server looks at the client's certificate when the client takes the handshake to be over, and what it
// says of that may be lost as it hangs up.
for (const version of ['TLSv1.2', 'TLSv1.3']) {
  ours(`${version}: a client certificate that the server does not believe is a failure of TLS, and is not tried again`, async ({ pool }) => {
    const ssl = { ca: ca(), cert: certificates.text('stranger.crt'), key: certificates.text('stranger.key'), maxVersion: version }
    await assert.rejects(session(pool({ user: 'with_cert', ssl, retryBaseDelay: 1 })), (error) => {
      assert.equal(error.kind, 'tls', error.summary)
      assert.equal(error.attempts.length, 1)
      return true
    })
  })
}
