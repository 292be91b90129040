'use strict'

const assert = require('node:assert/strict')
const { EventEmitter } = require('node:events')
const { suite, sleep, until } = require('../../support/drivers')

const { both, ours } = suite()

both('a pool is an EventEmitter with the options it was given and its defaults', ({ pool }) => {
  const given = { max: 3, idleTimeoutMillis: 1234, min: 0 }
  const made = pool(given)
  assert.ok(made instanceof EventEmitter)
  assert.equal(made.options.max, 3)
  assert.equal(made.options.idleTimeoutMillis, 1234)
  assert.equal(made.options.maxUses, Infinity)
  assert.deepEqual(given, { max: 3, idleTimeoutMillis: 1234, min: 0 })
  assert.equal(made.ending, false)
  assert.equal(made.ended, false)
})

both('the password is not shown by what prints the options', ({ pool }) => {
  const made = pool({ password: 'secret' })
  assert.equal(made.options.password, 'secret')
  assert.ok(!Object.keys(made.options).includes('password'))
})

both('counters are right at once after a query was asked for, and after it', async ({ pool }) => {
  const made = pool({ max: 2 })
  assert.deepEqual([made.totalCount, made.idleCount, made.waitingCount, made.expiredCount], [0, 0, 0, 0])
  const one = made.query('select 1')
  assert.deepEqual([made.totalCount, made.idleCount, made.waitingCount], [1, 0, 0])
  await one
  assert.deepEqual([made.totalCount, made.idleCount, made.waitingCount], [1, 1, 0])
})

both('clients in hand that are past their lifetime are counted as expired, and closed when they are given back', async ({ pool }) => {
  const made = pool({ max: 2, maxLifetimeSeconds: 1 })
  const client = await made.connect()
  assert.equal(made.expiredCount, 0)
  await until('it counts as expired', () => made.expiredCount === 1)
  client.release()
  await until('it is gone', () => made.totalCount === 0)
  assert.equal(made.expiredCount, 0)
})

both('requests beyond max wait, and are counted as waiting', async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  const waiting = made.connect()
  assert.deepEqual([made.totalCount, made.idleCount, made.waitingCount], [1, 0, 1])
  client.release()
  const second = await waiting
  assert.deepEqual([made.totalCount, made.idleCount, made.waitingCount], [1, 0, 0])
  second.release()
  assert.deepEqual([made.totalCount, made.idleCount], [1, 1])
})

both('waiters are served in the order in which they came', async ({ pool }) => {
  const made = pool({ max: 1 })
  const order = []
  const first = await made.connect()
  const all = [1, 2, 3].map(async (number) => {
    const client = await made.connect()
    order.push(number)
    client.release()
  })
  first.release()
  await Promise.all(all)
  assert.deepEqual(order, [1, 2, 3])
})

both('connect with a callback gives client and release, and returns undefined', async ({ pool }) => {
  const made = pool()
  await new Promise((resolve, reject) => {
    const returned = made.connect((error, client, release) => {
      if (error) return reject(error)
      assert.equal(client.release, release)
      release()
      return resolve()
    })
    assert.equal(returned, undefined)
  })
})

both('connect calls back later, also where a client is idle', async ({ pool }) => {
  const made = pool()
  await made.query('select 1')
  let called = false
  const over = new Promise((resolve) => {
    made.connect((error, client, release) => {
      called = true
      release()
      resolve()
    })
  })
  assert.equal(called, false)
  await over
})

both('a connect that fails still gives its callback a function to release with', async ({ pool }) => {
  const made = pool({ port: 1 })
  await new Promise((resolve) => {
    made.connect((error, client, release) => {
      assert.equal(error.code, 'ECONNREFUSED')
      assert.equal(client, undefined)
      assert.equal(typeof release, 'function')
      release()
      resolve()
    })
  })
  assert.equal(made.totalCount, 0)
})

both('the same session comes back as the same client, with its settings', async ({ pool }) => {
  const made = pool({ max: 1 })
  const first = await made.connect()
  await first.query("set application_name = 'kept'")
  first.release()
  const second = await made.connect()
  assert.equal(second, first)
  assert.equal((await second.query('show application_name')).rows[0].application_name, 'kept')
  second.release()
})

both('releasing twice throws', async ({ pool }) => {
  const made = pool()
  const client = await made.connect()
  client.release()
  assert.throws(() => client.release(), { message: 'Release called on client which has already been released to the pool.' })
})

for (const error of [true, new Error('worn out')]) {
  both(`a client released with ${error} is closed and removed`, async ({ pool }) => {
    const made = pool({ max: 1 })
    const removed = new Promise((resolve) => made.once('remove', resolve))
    const client = await made.connect()
    const { processID } = client
    client.release(error)
    assert.equal(made.totalCount, 0)
    assert.equal(made.idleCount, 0)
    assert.equal(await removed, client)
    const next = await made.connect()
    assert.notEqual(next.processID, processID)
    next.release()
  })
}

both("'remove' is told once of a client that is closed as it is released", async ({ pool }) => {
  const made = pool({ max: 1 })
  const removed = []
  made.on('remove', (client) => removed.push(client.processID))
  const pids = []
  for (let i = 0; i < 3; i++) {
    const client = await made.connect()
    pids.push(client.processID)
    client.release(true)
  }
  await made.end()
  await sleep(100)
  // `pg` tells of a client once its socket has closed, and sockets close in any order.
  assert.deepEqual([...removed].sort(), [...pids].sort())
})

both('connect, acquire and release are told in this order, with the client', async ({ pool }) => {
  const made = pool({ max: 1 })
  const told = []
  made.on('connect', (client) => told.push(['connect', client]))
  made.on('acquire', (client) => told.push(['acquire', client]))
  made.on('release', (error, client) => told.push(['release', client, error]))
  const client = await made.connect()
  client.release()
  const again = await made.connect()
  again.release()
  assert.deepEqual(told.map(([name]) => name), ['connect', 'acquire', 'release', 'acquire', 'release'])
  assert.ok(told.every(([, each]) => each === client))
  assert.equal(told[2][2], undefined)
})

both('pool.query tells connect, acquire and release as well', async ({ pool }) => {
  const made = pool({ max: 1 })
  const told = []
  for (const name of ['connect', 'acquire', 'release']) made.on(name, () => told.push(name))
  await made.query('select 1')
  await made.query('select 1')
  assert.deepEqual(told, ['connect', 'acquire', 'release', 'acquire', 'release'])
})

both('what a connect listener queries on the client runs before what the client was wanted for', async ({ pool }) => {
  const made = pool({ max: 1 })
  made.on('connect', (client) => {
    client.query("set application_name = 'by listener'")
  })
  assert.equal((await made.query('show application_name')).rows[0].application_name, 'by listener')
})

both('onConnect is waited for, once a session', async ({ pool }) => {
  let called = 0
  const made = pool({
    max: 1,
    async onConnect(client) {
      called += 1
      await client.query("set application_name = 'by onConnect'")
    },
  })
  assert.equal((await made.query('show application_name')).rows[0].application_name, 'by onConnect')
  await made.query('select 1')
  assert.equal(called, 1)
})

both('an onConnect that fails goes to the caller, and the pool goes on', async ({ pool }) => {
  let called = 0
  const made = pool({
    max: 1,
    onConnect() {
      called += 1
      if (called === 1) throw new Error('not ready')
    },
  })
  await assert.rejects(made.connect(), { message: 'not ready' })
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})

both('verify can refuse a new client', async ({ pool }) => {
  const made = pool({ max: 1, verify: (client, done) => done(new Error('refused by verify')) })
  await assert.rejects(made.connect(), { message: 'refused by verify' })
  await assert.rejects(made.query('select 1'), { message: 'refused by verify' })
})

both('maxUses closes a client after so many checkouts', async ({ pool }) => {
  const made = pool({ max: 1, maxUses: 2 })
  const pid = async () => (await made.query('select pg_backend_pid() as pid')).rows[0].pid
  const first = await pid()
  assert.equal(await pid(), first)
  assert.notEqual(await pid(), first)
})

both('an idle client is closed after idleTimeoutMillis', async ({ pool }) => {
  const made = pool({ idleTimeoutMillis: 500 })
  await made.query('select 1')
  assert.equal(made.totalCount, 1)
  await until('no client is left', () => made.totalCount === 0)
})

both('end waits for clients in use', async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  let ended = false
  const over = made.end().then(() => {
    ended = true
  })
  assert.equal(made.ending, true)
  await sleep(50)
  assert.equal(ended, false)
  client.release()
  await over
  assert.equal(made.ended, true)
  assert.equal(made.totalCount, 0)
})

// node-postgres forgets what waits when the pool is ended: its promise is never settled.
ours('end lets queries that wait be done', async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  const waiting = made.query('select 42 as answer')
  const over = made.end()
  client.release()
  assert.equal((await waiting).rows[0].answer, 42)
  await over
})

both('a pool that was ended refuses all, and a second end', async ({ pool }) => {
  const made = pool()
  await made.query('select 1')
  await made.end()
  await assert.rejects(made.query('select 1'), { message: 'Cannot use a pool after calling end on the pool' })
  await assert.rejects(made.connect(), { message: 'Cannot use a pool after calling end on the pool' })
  await assert.rejects(made.end(), { message: 'Called end on pool more than once' })
  await new Promise((resolve) => made.connect((error) => {
    assert.equal(error.message, 'Cannot use a pool after calling end on the pool')
    resolve()
  }))
})

both('end takes a callback', async ({ pool }) => {
  const made = pool()
  await made.query('select 1')
  await new Promise((resolve) => {
    assert.equal(made.end(resolve), undefined)
  })
  assert.equal(made.ended, true)
})

both('a wait for a client ends after connectionTimeoutMillis', async ({ pool }) => {
  const made = pool({ max: 1, connectionTimeoutMillis: 500 })
  const client = await made.connect()
  const begun = Date.now()
  await assert.rejects(made.connect(), { message: 'timeout exceeded when trying to connect' })
  assert.ok(Date.now() - begun >= 490)
  assert.equal(made.waitingCount, 0)
  client.release()
})

both('a password can be a function, also one that returns a promise', async ({ pool }) => {
  for (const password of [() => 'x', async () => 'x']) {
    const made = pool({ password })
    assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
  }
})

both('a connection string wins over single fields', async ({ Pool, server }) => {
  const made = new Pool({ connectionString: server.url, database: 'nowhere', port: 1 })
  assert.equal((await made.query('select current_database() as name')).rows[0].name, 'postgres')
  await made.end()
})

both('settings of the session are sent when it begins', async ({ pool }) => {
  const made = pool({
    statement_timeout: 12345, lock_timeout: 2345, idle_in_transaction_session_timeout: 3456, application_name: 'the tests',
    options: '-c work_mem=5MB',
  })
  const show = async (name) => (await made.query(`show ${name}`)).rows[0][name.toLowerCase()]
  assert.equal(await show('statement_timeout'), '12345ms')
  assert.equal(await show('lock_timeout'), '2345ms')
  assert.equal(await show('idle_in_transaction_session_timeout'), '3456ms')
  assert.equal(await show('work_mem'), '5MB')
  assert.ok((await show('application_name')).startsWith('the tests'))
})

both('an idle client whose session ends is told as an error of the pool', async ({ pool }) => {
  const made = pool({ max: 1, validateAfterIdle: 0, keepaliveInterval: 100 })
  const errors = []
  made.on('error', (error, client) => errors.push([error, client]))
  const { rows: [{ pid }] } = await made.query('select pg_backend_pid() as pid')
  const other = pool({ max: 1 })
  await other.query('select pg_terminate_backend($1)', [pid])
  await until('the error is told', () => errors.length > 0)
  assert.ok(errors[0][0] instanceof Error)
  assert.equal(errors[0][1].processID, pid)
  assert.equal(errors[0][0].client, errors[0][1])
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})
