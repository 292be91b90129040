'use strict'

const assert = require('node:assert/strict')
const { spawn, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { inspect } = require('node:util')
const { tlsSuite, session } = require('../../support/tls')
const { until } = require('../../support/drivers')

// Certificates and keys that a program gives as texts are written to files for the library: who may read those, and how
// long they stay. And that no key is shown by accident.
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
const mode = (file) => (fs.statSync(file).mode & 0o777).toString(8)

ours('texts are kept in files that nobody else can read, until the pool is ended', ({ pool }) => inTemporary(async (left) => {
  const made = pool({ user: 'with_cert', ssl: texts() })
  await session(made)
  const [directory, ...others] = left()
  assert.deepEqual(others, [])
  assert.equal(mode(directory), '700')
  const files = fs.readdirSync(directory).map((name) => path.join(directory, name))
  assert.equal(files.length, 3)
  assert.deepEqual(files.map(mode), ['600', '600', '600'])
  await made.end()
  assert.deepEqual(left(), [])
}))

ours('sessions that are opened late have the files still', ({ pool }) => inTemporary(async () => {
  const made = pool({ user: 'with_cert', ssl: texts(), max: 2 })
  await session(made)
  assert.equal(await made.releaseIdle(), 1)
  assert.equal((await session(made)).subject, '/CN=with_cert')
}))

ours('a pool of files needs no others, and leaves those that it was given', ({ pool }) => inTemporary(async (left) => {
  const ssl = { ca: certificates.path('authority.crt'), cert: certificates.path('client.crt'), key: certificates.path('client.key') }
  const made = pool({ user: 'with_cert', ssl })
  assert.equal((await session(made)).subject, '/CN=with_cert')
  assert.deepEqual(left(), [])
  await made.end()
  for (const file of Object.values(ssl)) assert.ok(fs.existsSync(file), file)
}))

ours('a pool that cannot be made leaves no files', ({ Pool }) => inTemporary(async (left) => {
  assert.throws(() => new Pool({ ssl: texts(), retryMax: 'often' }), /retry_max/)
  assert.throws(() => new Pool({ ssl: { ...texts(), minVersion: 'TLSv9' } }), /ssl_min_protocol_version/)
  const locked = new Pool({ ssl: { ...texts(), key: certificates.text('locked.key') } })
  await assert.rejects(locked.connect(), /private key/)
  await locked.end()
  assert.deepEqual(left(), [])
}))

ours('a pool whose sessions are refused and tried again leaves no files', ({ pool }) => inTemporary(async (left) => {
  const refused = pool({ user: 'with_cert', ssl: { ca: certificates.text('another.crt') } })
  await assert.rejects(session(refused), { kind: 'tls' })
  const retried = pool({ port: 1, ssl: texts(), retryMax: 2, retryBaseDelay: 1 })
  await assert.rejects(session(retried), { kind: 'refused' })
  await Promise.all([refused.end(), retried.end()])
  assert.deepEqual(left(), [])
}))

ours('a password that changes leaves no files of the pool before', ({ pool }) => inTemporary(async (left) => {
  let password = 'wrong'
  const made = pool({ user: 'by_scram', ssl: texts(), password: () => password })
  await assert.rejects(session(made), { code: '28P01' })
  password = 'secret'
  assert.equal((await session(made)).name, 'by_scram')
  assert.equal(left().length, 1)
  await made.end()
  assert.deepEqual(left(), [])
}))

ours('many pools, one after another, add no listeners to the process', ({ pool }) => inTemporary(async (left) => {
  const before = process.listenerCount('exit')
  for (let i = 0; i < 15; i++) await pool({ ssl: texts() }).end()
  assert.ok(process.listenerCount('exit') <= before + 1, `${process.listenerCount('exit')} listeners`)
  assert.deepEqual(left(), [])
}))

/** A program that has a pool `pool` with TLS from texts. */
function program(server, place, text) {
  const options = { ...server.config, user: 'with_cert', max: 1, ssl: texts() }
  const code = `
    const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
    const options = ${JSON.stringify(options)}
    const pool = new Pool(options)
    ${text}`
  return [process.execPath, ['--expose-gc', '-e', code], { encoding: 'utf8', timeout: 20000, env: { ...process.env, TMPDIR: place } }]
}

ours('a process that ends without end() takes its files along', ({ server }) => inTemporary(async (left, place) => {
  const shown = "console.log(require('node:fs').readdirSync(require('node:os').tmpdir()).length)"
  for (const last of ['', 'process.exit(0)', "throw new Error('on purpose')"]) {
    const { stdout } = spawnSync(...program(server, place, `pool.query('select 1').then(() => { ${shown}; ${last} })`))
    assert.equal(stdout.trim(), '1')
    assert.deepEqual(left(), [])
  }
}))

ours('a pool that was dropped without end() takes its files along', ({ server }) => inTemporary(async (left, place) => {
  const { stdout } = spawnSync(...program(server, place, `
    const fs = require('node:fs')
    const count = () => fs.readdirSync(require('node:os').tmpdir()).length
    async function main() {
      for (let i = 0; i < 5; i++) await new Pool(options).query('select 1')
      for (let i = 0; i < 100 && count() > 1; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 20)) }
      console.log(count())
      await pool.end()
      console.log(count())
    }
    main()`))
  assert.equal(stdout, '1\n0\n')
}))

ours('a worker that ends, and one that ends its pool, leave no files', ({ server }) => inTemporary(async (left, place) => {
  const { stdout, stderr } = spawnSync(...program(server, place, `
    const { Worker } = require('node:worker_threads')
    const code = \`
      const { workerData } = require('node:worker_threads')
      const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
      const pool = new Pool(workerData.options)
      pool.query('select 1').then(() => workerData.end && pool.end())\`
    const run = (end) => new Promise((resolve, reject) => {
      new Worker(code, { eval: true, workerData: { options, end } }).on('error', reject).on('exit', resolve)
    })
    const count = () => require('node:fs').readdirSync(require('node:os').tmpdir()).length
    run(false).then(() => run(true)).then(() => console.log(count())).then(() => pool.end())`))
  assert.equal(stdout, '1\n', stderr)
  assert.deepEqual(left(), [])
}))

// Nothing of the process runs then: what is left can be read by its user alone.
ours('a process that is killed leaves files that nobody else can read', ({ server }) => inTemporary(async (left, place) => {
  const [command, args, options] = program(server, place, "pool.query('select 1'); setInterval(() => {}, 1000)")
  const child = spawn(command, args, { env: options.env, stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await until('the files are there', () => left().some((directory) => fs.existsSync(path.join(directory, 'client.key'))))
  child.kill('SIGKILL')
  await ended
  const [directory] = left()
  assert.equal(mode(directory), '700')
  for (const name of fs.readdirSync(directory)) assert.equal(mode(path.join(directory, name)), '600')
}))

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
