'use strict'

const assert = require('node:assert/strict')
const { tlsSuite, session, surrounded } = require('../../support/tls')

// What a connection string says of TLS, held to what pg-connection-string makes of it.
const { both, ours, certificates, elsewhere, plain } = tlsSuite()

const root = (name = 'authority') => `sslrootcert=${encodeURIComponent(certificates.path(`${name}.crt`))}`

/** Opens a session with these parameters behind the server's URL. */
function open({ pool, server }, parameters, options) {
  return session(pool({ connectionString: `${server.url}?${parameters}`, ...options }))
}

/** The certificate is not believed; node-postgres has other words for it. */
const refused = (promise) => assert.rejects(promise, /certificate|does not match|altnames/i)

const opened = async (promise) => assert.equal((await promise).ssl, true)

both('sslmode=disable and ssl=0 are plain', async (given) => {
  assert.equal((await open(given, 'sslmode=disable')).ssl, false)
  assert.equal((await open(given, 'ssl=0')).ssl, false)
  assert.equal((await open(given, `ssl=true&sslmode=disable&${root()}`)).ssl, false)
})

// node-postgres takes all of these, and what it does not know, for verify-full.
for (const mode of ['prefer', 'require', 'verify-ca', 'verify-full', 'nonsense']) {
  both(`sslmode=${mode} verifies authority and name`, async (given) => {
    await refused(open(given, `sslmode=${mode}`))
    await refused(open(given, `sslmode=${mode}&${root('another')}`))
    await opened(open(given, `sslmode=${mode}&${root()}`))
    const other = { pool: given.pool, server: await elsewhere() }
    await refused(open(other, `sslmode=${mode}&${root()}`))
    await assert.rejects(open({ pool: given.pool, server: await plain() }, `sslmode=${mode}`), /does not support (SSL|TLS)/)
  })
}

both('sslmode=no-verify and ssl=no-verify verify nothing', async (given) => {
  const other = { pool: given.pool, server: await elsewhere() }
  for (const parameters of ['sslmode=no-verify', `sslmode=no-verify&${root('another')}`, 'ssl=no-verify']) {
    await opened(open(given, parameters))
    await opened(open(other, parameters))
  }
})

both('ssl=true, ssl=1 and a certificate alone verify', async (given) => {
  await refused(open(given, 'ssl=true'))
  await refused(open(given, 'ssl=1'))
  await refused(open(given, root('another')))
  await opened(open(given, root()))
  await opened(open(given, `ssl=true&${root()}`))
})

both('a certificate beside ssl=0 or ssl=no-verify has it verified all the same', async (given) => {
  await opened(open(given, `ssl=0&${root()}`))
  await refused(open(given, `ssl=0&${root('another')}`))
  await refused(open(given, `ssl=no-verify&${root('another')}`))
})

// node-postgres takes the text 'false' for a wish to have TLS.
ours('ssl=false is plain, and what is neither yes nor no is refused', async (given) => {
  assert.equal((await open(given, 'ssl=false')).ssl, false)
  assert.throws(() => open(given, 'ssl=perhaps').catch(() => {}), /ssl must be true, false, 'no-verify' or an object, not "perhaps"/)
})

both('sslcert and sslkey name the files of the client', async (given) => {
  const files = ['cert', 'key'].map((name) => `ssl${name}=${encodeURIComponent(certificates.path(`client.${name === 'key' ? 'key' : 'crt'}`))}`)
  const at = { pool: given.pool, server: { url: given.server.url.replace('postgres@', 'with_cert@') } }
  assert.equal((await open(at, `sslmode=verify-full&${root()}&${files.join('&')}`)).subject, '/CN=with_cert')
  assert.equal((await open(at, `sslmode=no-verify&${files.join('&')}`)).subject, '/CN=with_cert')
  await assert.rejects(open(at, `sslmode=verify-full&${root()}`), { code: '28000' })
})

ours('sslpassword unlocks the key that sslkey names', async (given) => {
  const files = `sslcert=${certificates.path('client.crt')}&sslkey=${certificates.path('locked.key')}`
  const at = { pool: given.pool, server: { url: given.server.url.replace('postgres@', 'with_cert@') } }
  assert.equal((await open(at, `${root()}&${files}&sslpassword=open%20sesame`)).subject, '/CN=with_cert')
  assert.equal((await open(at, `${root()}&${files}`, { sslpassword: 'open sesame' })).subject, '/CN=with_cert')
})

both('what the URL says of TLS wins over the option ssl, and only that', async (given) => {
  await opened(open(given, 'sslmode=no-verify', { ssl: { ca: certificates.text('another.crt') } }))
  await refused(open(given, 'sslmode=verify-full', { ssl: { rejectUnauthorized: false } }))
  assert.equal((await open(given, 'sslmode=disable', { ssl: true })).ssl, false)
  await opened(open(given, 'application_name=x', { ssl: { ca: certificates.text('authority.crt') } }))
})

both('the URL goes before PGSSLMODE', (given) => surrounded({ PGSSLMODE: 'verify-full' }, async () => {
  assert.equal((await open(given, 'sslmode=disable')).ssl, false)
  await opened(open(given, 'sslmode=no-verify'))
  await opened(open(given, 'uselibpqcompat=true&sslmode=require'))
  await refused(open(given, 'application_name=x'))
}))

both('a file that is not there fails by its name', async (given) => {
  await assert.rejects(async () => open(given, 'sslmode=verify-full&sslrootcert=/nowhere/root.crt'), /\/nowhere\/root\.crt/)
})

// What libpq makes of the modes, for programs that ask for it.
const compat = (mode, more) => `uselibpqcompat=true&sslmode=${mode}${more ? `&${more}` : ''}`

both('uselibpqcompat: disable is plain, prefer and require verify nothing', async (given) => {
  assert.equal((await open(given, compat('disable'))).ssl, false)
  for (const server of [given.server, await elsewhere()]) {
    await opened(open({ pool: given.pool, server }, compat('prefer')))
    await opened(open({ pool: given.pool, server }, compat('require')))
  }
})

both('uselibpqcompat: require with a root certificate, and verify-ca, verify the authority but no name', async (given) => {
  for (const mode of ['require', 'verify-ca']) {
    await opened(open(given, compat(mode, root())))
    await opened(open({ pool: given.pool, server: await elsewhere() }, compat(mode, root())))
    await refused(open(given, compat(mode, root('another'))))
  }
})

both('uselibpqcompat: verify-ca demands a root certificate', async (given) => {
  await assert.rejects(async () => open(given, compat('verify-ca')), /sslrootcert/)
})

both('uselibpqcompat: verify-full verifies authority and name', async (given) => {
  await refused(open(given, compat('verify-full')))
  await opened(open(given, compat('verify-full', root())))
  await refused(open({ pool: given.pool, server: await elsewhere() }, compat('verify-full', root())))
})

both('uselibpqcompat says nothing of certificates of clients', async (given) => {
  const files = `sslcert=${certificates.path('client.crt')}&sslkey=${certificates.path('client.key')}`
  const at = { pool: given.pool, server: { url: given.server.url.replace('postgres@', 'with_cert@') } }
  assert.equal((await open(at, compat('require', files))).subject, '/CN=with_cert')
  assert.equal((await open(at, compat('verify-ca', `${root()}&${files}`))).subject, '/CN=with_cert')
})

// As in libpq; node-postgres has TLS or nothing.
ours('uselibpqcompat: prefer does without TLS where the server has none', async (given) => {
  assert.equal((await open({ pool: given.pool, server: await plain() }, compat('prefer'))).ssl, false)
})

both('sslnegotiation=direct asks for TLS by itself', async (given) => {
  // PostgreSQL before 17 hangs up; later ones show a certificate that nobody knows.
  await assert.rejects(open(given, 'sslnegotiation=direct'), /unexpected EOF|disconnected before secure TLS|certificate/)
})
