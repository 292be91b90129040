'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { inspect } = require('node:util')
const { tlsSuite, session } = require('../../support/tls')

// Certificates and keys that a program gives as texts are never written down, nor shown by accident.
const { both, ours, certificates } = tlsSuite()

/** A directory of its own for temporary files, so that tests of other files do not disturb. */
async function inTemporary(body) {
  const before = process.env.TMPDIR
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'temporary-'))
  process.env.TMPDIR = place
  try {
    return await body(() => fs.readdirSync(place).map((name) => path.join(place, name)), place)
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
    fs.rmSync(place, { recursive: true, force: true })
  }
}

const texts = () => ({ ca: certificates.text('authority.crt'), cert: certificates.text('client.crt'), key: certificates.text('client.key') })

ours('texts are never written to a file', ({ pool, server }) => inTemporary(async (left, place) => {
  const made = pool({ user: 'with_cert', ssl: texts(), max: 2 })
  assert.equal((await session(made)).subject, '/CN=with_cert')
  assert.deepEqual(left(), [])
  // A session that is opened late.
  assert.equal(await made.releaseIdle(), 1)
  assert.equal((await session(made)).subject, '/CN=with_cert')
  assert.deepEqual(left(), [])
  await made.end()
  // Nor in a process whose folder for temporary files was always this one.
  const code = `
    const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
    const pool = new Pool(JSON.parse(process.env.OPTIONS))
    pool.query('select 1').then(() => pool.end())`
  const options = JSON.stringify({ ...server.config, user: 'with_cert', ssl: texts() })
  const { status, stderr } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8', env: { ...process.env, TMPDIR: place, OPTIONS: options } })
  assert.equal(status, 0, stderr)
  assert.deepEqual(left(), [])
}))

ours('texts may be buffers, several, and keys with their passphrase', async ({ pool }) => {
  const { ca, cert, key } = texts()
  const ssl = { ca: [certificates.text('another.crt'), Buffer.from(ca)], cert: Buffer.from(cert), key: [{ pem: key }] }
  assert.equal((await session(pool({ user: 'with_cert', ssl }))).subject, '/CN=with_cert')
  const locked = { pem: certificates.text('locked.key'), passphrase: 'open sesame' }
  assert.equal((await session(pool({ user: 'with_cert', ssl: { ca, cert, key: [locked] } }))).subject, '/CN=with_cert')
})

ours('files may be named as well, and are left as they are', async ({ pool }) => {
  const ssl = { ca: certificates.path('authority.crt'), cert: certificates.path('client.crt'), key: certificates.path('client.key') }
  const made = pool({ user: 'with_cert', ssl })
  assert.equal((await session(made)).subject, '/CN=with_cert')
  await made.end()
  for (const file of Object.values(ssl)) assert.ok(fs.existsSync(file), file)
})

ours('an error about a text names the option and shows nothing of the text', async ({ Pool }) => {
  const key = certificates.text('locked.key')
  const locked = new Pool({ ssl: { ...texts(), key } })
  const error = await locked.connect().catch((each) => each)
  await locked.end()
  assert.match(error.message, /the text of sslkey/)
  assert.equal(inspect(error, { depth: 20 }).includes(key.split('\n')[3]), false)
  for (const name of ['ca', 'cert', 'key', 'crl']) {
    const failure = new RegExp(`ssl.${name} must be PEM text`)
    assert.throws(() => new Pool({ ssl: { ...texts(), [name]: Buffer.from('no text of that kind') } }), failure)
  }
})

both('no key is shown when a pool or its clients are', async ({ name, pool }) => {
  const ssl = texts()
  const line = ssl.key.split('\n')[1]
  const made = pool({ user: 'with_cert', password: 'very secret', ssl })
  const client = await made.connect()
  try {
    // node-postgres' clients have Node's TLS sockets, which show all they have.
    for (const each of name === 'pg' ? [made.options] : [made, made.options, client]) {
      const shown = inspect(each, { depth: 20 })
      assert.equal(shown.includes(line), false, 'the key')
      assert.equal(shown.includes('very secret'), false, 'the password')
    }
    assert.equal(JSON.stringify(made.options).includes(line), false)
    assert.equal(JSON.stringify(made.options).includes('very secret'), false)
  } finally {
    client.release()
  }
})

ours('no passphrase is shown either, and errors have none of it', async ({ pool }) => {
  const ssl = { ...texts(), key: certificates.text('locked.key'), passphrase: 'open sesame' }
  const made = pool({ user: 'with_cert', ssl })
  await session(made)
  const given = pool({ user: 'with_cert', ssl: { ca: ssl.ca }, sslcert: certificates.path('client.crt'), sslkey: certificates.path('locked.key'), sslpassword: 'open sesame' })
  assert.equal((await session(given)).subject, '/CN=with_cert')
  const error = await session(pool({ port: 1, ssl, retryMax: 0 })).catch((each) => each)
  for (const each of [made, given, error]) {
    const shown = inspect(each, { depth: 20 }) + JSON.stringify(each.options ?? each)
    assert.equal(shown.includes('open sesame'), false)
    assert.equal(shown.includes(ssl.key.split('\n')[1]), false)
  }
})

ours("the program's own object keeps its key, and may be frozen", async ({ pool }) => {
  const ssl = Object.freeze(texts())
  for (let i = 0; i < 2; i++) assert.equal((await session(pool({ user: 'with_cert', ssl }))).subject, '/CN=with_cert')
  assert.ok(Object.keys(ssl).includes('key'))
  assert.equal(JSON.parse(JSON.stringify(ssl)).key, ssl.key)
})
