'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { setTimeout: sleep } = require('node:timers/promises')
const { startServer } = require('../../support/server')
const { until } = require('../../support/drivers')
const { Pool, Client } = require('../../..')

let server
let admin

test.before(async () => {
  server = await startServer()
  admin = new Pool(server.config)
})
test.after(async () => {
  await admin.end()
  server.remove()
})

/** A role that has to give its password, and how a pool of it is made. */
async function role(name, password) {
  await admin.query(`create role ${name} login password '${password}'`)
  await server.demandPassword(name)
  return (options) => new Pool({ ...server.config, user: name, ...options })
}

test('fifty rotations under load fail no call, and each session has its own question', { timeout: 60000 }, async () => {
  const poolOf = await role('rotating', 'secret 0')
  // As in a vault that rotates: a request meanwhile gets what is valid once it is done.
  let vault = Promise.resolve('secret 0')
  let asked = 0
  const pool = poolOf({ max: 3, maxLifetime: '10ms', password: async ({ user, wasRefused }) => {
    assert.equal(user, 'rotating')
    assert.equal(typeof wasRefused, 'boolean')
    asked += 1
    return vault
  } })
  let over = false
  let calls = 0
  let opened = 0
  pool.on('event', ({ kind }) => {
    if (kind === 'opened') opened += 1
  })
  const callers = Array.from({ length: 6 }, async (_, i) => {
    while (!over) {
      if (i % 2 === 0) await pool.query('select 1')
      else (await pool.connect()).release()
      calls += 1
    }
  })
  for (let n = 1; n <= 50; n++) {
    vault = admin.query(`alter role rotating password 'secret ${n}'`).then(() => `secret ${n}`)
    await vault
    // A password is to change once while a session is opened, not twice: so it stays until those are open that were begun before.
    const before = opened
    await until('sessions were opened', () => opened >= before + 6)
    await sleep(20)
  }
  over = true
  await Promise.all(callers)
  assert.ok(asked >= 50 && calls >= 50, `${asked} questions, ${calls} calls`)
  await pool.end()
})

test('a password that changed is asked for again, also right after one that was refused', async () => {
  const poolOf = await role('changing', 'first')
  let password = 'first'
  let asked = 0
  const pool = poolOf({ max: 1, password: () => {
    asked += 1
    return password
  } })
  assert.equal((await pool.query('select current_user as name')).rows[0].name, 'changing')
  await admin.query("alter role changing password 'second'")
  password = 'second'
  await pool.releaseIdle()
  assert.equal((await pool.query('select 1 as one')).rows[0].one, 1)
  assert.equal(asked, 2)
  await admin.query("alter role changing password 'third'")
  await pool.releaseIdle()
  await assert.rejects(pool.query('select 1'), { code: '28P01' })
  password = 'third'
  const client = await pool.connect()
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
  client.release()
  await pool.end()
})

test('a password that rotates between asking and sending is asked for again', async () => {
  const poolOf = await role('racing', 'secret 0')
  const refusals = []
  const pool = poolOf({ max: 1, password: async ({ wasRefused }) => {
    refusals.push(wasRefused)
    if (wasRefused) return 'secret 1'
    await admin.query("alter role racing password 'secret 1'")
    return 'secret 0'
  } })
  await pool.query('select 1')
  assert.deepEqual(refusals, [false, true])
  await pool.end()
})

test('a new token each time that the server refuses is an error at once, and harms nobody else', async () => {
  const poolOf = await role('refused', 'none of them')
  let token = 0
  const pool = poolOf({ max: 4, password: async () => {
    token += 1
    return `token ${token}`
  } })
  const begun = Date.now()
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => pool.query('select 1')))
  for (const { reason } of results) assert.equal(reason.code, '28P01')
  assert.ok(Date.now() - begun < 5000)
  assert.ok(token <= 36, `${token} tokens`)
  await pool.end()
})

test('what the function throws is the cause of the error, and sessions that are open are not touched', async () => {
  const poolOf = await role('failing', 'right')
  let fault
  const pool = poolOf({ max: 2, retryMax: 0, password: async () => {
    if (fault !== undefined) throw fault
    return 'right'
  } })
  const client = await pool.connect()
  fault = new Error('the vault is sealed')
  await assert.rejects(pool.query('select 1'), (error) => {
    assert.match(error.message, /the vault is sealed/)
    assert.equal(error.cause, fault)
    assert.deepEqual([error.kind, error.retryable], ['auth', true])
    return true
  })
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
  client.release()
  await pool.query('select 1')
  await pool.end()

  const wrong = poolOf({ retryMax: 0, password: async () => 7 })
  await assert.rejects(wrong.query('select 1'), /Password must be a string/)
  await wrong.end()
  const silent = poolOf({ retryMax: 0, connectionTimeoutMillis: 300, password: () => new Promise(() => {}) })
  const begun = Date.now()
  await assert.rejects(silent.query('select 1'))
  assert.ok(Date.now() - begun < 3000)
  await silent.end()
})

test('a client by itself asks, too', async () => {
  await role('alone', 'right')
  const client = new Client({ ...server.config, user: 'alone', password: async () => 'right' })
  await client.connect()
  assert.equal((await client.query('select current_user as name')).rows[0].name, 'alone')
  await client.end()
})

test('a pool shared by its options alone has to have a name if it has a function', async () => {
  const poolOf = await role('sharing', 'right')
  assert.throws(() => poolOf({ shared: true, password: () => 'right' }), /function given as password.*give the pool a name/)
  const [one, other] = [1, 2].map(() => poolOf({ shared: true, name: 'of functions', max: 1, password: () => 'right' }))
  const pidOf = async (pool) => (await pool.query('select pg_backend_pid() as pid')).rows[0].pid
  assert.equal(await pidOf(one), await pidOf(other))
  // The function of the one that stays answers.
  await one.end()
  await other.releaseIdle()
  await pidOf(other)
  await other.end()
})

test('a process ends while a function for the password is being waited for', async () => {
  const { spawnSync } = require('node:child_process')
  await role('leaving', 'right')
  const program = `
    const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
    const pool = new Pool({ ...${JSON.stringify(server.config)}, user: 'leaving', password: () => {
      setTimeout(() => process.exit(7), 50)
      return new Promise(() => {})
    } })
    pool.query('select 1').catch(() => {})`
  const { status, signal } = spawnSync(process.execPath, ['-e', program], { timeout: 20000 })
  assert.deepEqual([status, signal], [7, null])
})
