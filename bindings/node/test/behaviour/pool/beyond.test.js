'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { suite, sleep, until } = require('../../support/drivers')

// What node-postgres has not.
const { ours, server } = suite()

ours('a transaction commits what its function did, and gives what it returned', async ({ pool }) => {
  const made = pool()
  await made.query('create table if not exists moved (n int)')
  const result = await made.transaction(async (client) => {
    await client.query('insert into moved values (1)')
    return (await client.query('select count(*)::int as n from moved')).rows[0].n
  })
  assert.equal(result, 1)
  assert.equal((await made.query('select * from moved')).rowCount, 1)
})

ours('a transaction whose function throws is rolled back, and throws that', async ({ pool }) => {
  const made = pool()
  await made.query('create table if not exists kept_out (n int)')
  await assert.rejects(made.transaction(async (client) => {
    await client.query('insert into kept_out values (1)')
    throw new Error('changed my mind')
  }), { message: 'changed my mind' })
  assert.equal((await made.query('select * from kept_out')).rowCount, 0)
})

ours('what a checkout sets in its session stays, unless sessions are reset', async ({ pool }) => {
  const seen = []
  for (const sessionReset of [undefined, 'none', 'state', 'discard']) {
    const made = pool({ max: 1, sessionReset })
    await made.query("select set_config('lock_timeout', '7s', false)")
    seen.push((await made.query("select current_setting('lock_timeout') as now")).rows[0].now)
  }
  assert.deepEqual(seen, ['7s', '7s', '0', '0'])
})

ours('a transaction that conflicts is run again', async ({ pool }) => {
  const made = pool({ max: 3 })
  await made.query('create table if not exists counter (n int)')
  await made.query('truncate counter')
  await made.query('insert into counter values (0)')
  let runs = 0
  const add = () => made.transaction(async (client) => {
    runs += 1
    const { rows: [{ n }] } = await client.query('select n from counter')
    await sleep(20)
    await client.query('update counter set n = $1', [n + 1])
  }, { isolation: 'serializable' })
  await Promise.all([add(), add(), add()])
  assert.equal((await made.query('select n from counter')).rows[0].n, 3)
  assert.ok(runs > 3, `${runs} runs`)
})

ours('a transaction without reruns tells of the conflict', async ({ pool }) => {
  const made = pool()
  let runs = 0
  await assert.rejects(made.transaction(async (client) => {
    runs += 1
    await client.query("do $$ begin raise exception 'no' using errcode = '40001'; end $$")
  }, { maxReruns: 0 }), { code: '40001' })
  assert.equal(runs, 1)
})

ours('a read-only transaction refuses to write, and resolves its commit if asked', async ({ pool }) => {
  const made = pool()
  await made.query('create table if not exists read_only (n int)')
  await assert.rejects(made.transaction((client) => client.query('insert into read_only values (1)'), { readOnly: true }), { code: '25006' })
  assert.equal(await made.transaction(async (client) => (await client.query('insert into read_only values (1)')).rowCount, { resolveCommit: true }), 1)
})

ours('a transaction can be aborted', async ({ pool }) => {
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 100)
  await assert.rejects(pool().transaction((client) => client.query('select pg_sleep(20)'), { signal: controller.signal }), (error) =>
    error.name === 'AbortError' || error.code === '57014')
})

ours('rows of a large result come one by one, and the rest need not be read', async ({ pool }) => {
  const made = pool({ max: 1 })
  let sum = 0
  for await (const row of made.iterate('select i from generate_series(1, $1::int) i', [3000], { batchSize: 100 })) sum += row.i
  assert.equal(sum, 4501500)
  for await (const row of made.iterate('select i from generate_series(1, 10000000) i')) if (row.i === 10) break
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
  await assert.rejects(async () => {
    for await (const row of made.iterate('select 1 / (5 - i) from generate_series(1, 10) i')) assert.ok(row)
  }, { code: '22012' })
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})

ours('figures, health and metrics are those of the pool', async ({ pool }) => {
  const made = pool({ name: 'figures', max: 1 })
  await made.query('select 1')
  const stats = made.stats()
  assert.equal(stats.opens, 1)
  assert.equal(stats.limitedBy, 'nothing')
  assert.equal(stats.circuit, 'closed')
  assert.deepEqual(made.health().status, 'healthy')
  assert.match(made.metrics(), /^# HELP /m)
  assert.equal(typeof made.metrics('json'), 'object')
  assert.match(await made.explainExhaustion(), /connections/)
  assert.equal(typeof (await made.explainExhaustion('json')), 'object')
  assert.throws(() => made.metrics('xml'), /prometheus, openmetrics, json, text, not xml/)
  // What asked the server for the explanation may come back a moment later.
  await until('no session is left', async () => (await made.releaseIdle()) >= 0 && made.totalCount === 0)
})

ours('a pool serves its metrics over HTTP until it is told to stop', async ({ pool }) => {
  const made = pool()
  const served = made.serve()
  const answer = await fetch(new URL('/healthz', served.url))
  assert.equal(answer.status, 200)
  await answer.text()
  served.close()
  await assert.rejects(fetch(new URL('/healthz', served.url)))
  assert.throws(() => made.serve('0.0.0.0:0'), /loopback/)
})

ours('what failed for good says kind, attempts and remedy', async ({ pool }) => {
  const made = pool({ port: 1, retryMax: 1, retryBaseDelay: 1 })
  await assert.rejects(made.query('select 1'), (error) => {
    assert.equal(error.code, 'ECONNREFUSED')
    assert.equal(error.kind, 'refused')
    assert.equal(error.attempts.length, 2)
    assert.equal(error.retryable, true)
    return true
  })
  await assert.rejects(made.query('select 1', [], { maxRetries: 0 }), (error) => error.attempts.length === 1)
})

ours('options that cannot be are refused by name when the pool is made', ({ Pool }) => {
  assert.throws(() => new Pool({ max: 'many' }), /max must be a number from 0 on, not "many"/)
  assert.throws(() => new Pool({ Client: class {} }), /the option Client must be a class that extends the Client of pg-holdfast/)
  assert.throws(() => new Pool({ retryMax: 'often' }), /retry_max/)
  assert.throws(() => new Pool({ ssl: { pfx: 'x' } }), /ssl\.pfx/)
})

ours('one pool is shared by all that ask for it, also when modules are loaded again', async ({ Pool, server }) => {
  const options = { connectionString: server.url, name: 'shared' }
  const first = Pool.shared(options)
  for (const name of Object.keys(require.cache)) if (name.includes(`${require('node:path').sep}lib${require('node:path').sep}`)) delete require.cache[name]
  const again = require('../../..').Pool.shared(options)
  assert.equal(again, first)
  assert.equal((await again.query('select 1 as one')).rows[0].one, 1)
  await first.end()
  const other = Pool.shared(options)
  assert.notEqual(other, first)
  await other.end()
})

ours('a shared pool with functions among its options is known by its name', async ({ Pool, server }) => {
  const options = (name, password) => ({ connectionString: server.url, name, password: async () => password })
  assert.throws(() => Pool.shared(options(undefined, 'of the first')), /function given as password.*name: 'shop'/)
  const first = Pool.shared(options('of functions', 'of the first'))
  assert.equal(Pool.shared(options('of functions', 'made again')), first)
  const other = Pool.shared(options('of other functions', 'of another'))
  assert.notEqual(other, first)
  assert.equal(Pool.shared(`${server.url}?application_name=text`), Pool.shared(`${server.url}?application_name=text`))
  await Promise.all([first.end(), other.end(), Pool.shared(`${server.url}?application_name=text`).end()])
})

/** Runs a program that has `pool`, and returns what it printed. */
function program(text, env = {}) {
  const prelude = `const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
    const pool = new Pool(${JSON.stringify(server().url)});`
  return execFileSync(process.execPath, ['-e', prelude + text], { encoding: 'utf8', timeout: 20000, env: { ...process.env, ...env } }).trim()
}

ours('a process ends by itself with idle, checked out and unused pools', () => {
  assert.equal(program("pool.query('select 1').then(() => console.log('queried'))"), 'queried')
  assert.equal(program("pool.connect().then(() => console.log('checked out'))"), 'checked out')
  assert.equal(program("console.log('unused')"), 'unused')
})

ours('idle sessions keep the process alive only with allowExitOnIdle: false', () => {
  const lived = (options) => Number(program(`
    const other = new Pool({ ...${JSON.stringify(server().config)}, idleTimeoutMillis: 4000, ...${JSON.stringify(options)} })
    other.query('select 1').then(() => { const begun = Date.now(); process.on('exit', () => console.log(Date.now() - begun)) })`))
  assert.ok(lived({}) < 2000)
  assert.ok(lived({ allowExitOnIdle: false }) >= 2000)
})

ours('a process can exit while requests are under way', () => {
  assert.equal(program("pool.query('select pg_sleep(20)').catch(() => {}); setTimeout(() => { console.log('bye'); process.exit() }, 200)"), 'bye')
  assert.equal(program("pool.transaction(async () => { setTimeout(() => { console.log('bye'); process.exit() }, 50); await new Promise(() => {}) })"), 'bye')
})

ours('worker threads have pools, also when they are terminated, and share one if asked to', () => {
  const text = `
    const { Worker, isMainThread } = require('node:worker_threads')
    const code = \`
      const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
      const pool = Pool.shared({ connectionString: ${JSON.stringify(server().url)}, max: 1 })
      const { parentPort } = require('node:worker_threads')
      pool.query('select pg_backend_pid() as pid').then(({ rows }) => { parentPort.postMessage(rows[0].pid); return pool.query('select pg_sleep(20)') }).catch(() => {})\`
    const pids = new Set()
    let left = 3
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(code, { eval: true })
      worker.on('message', (pid) => { pids.add(pid); setTimeout(() => worker.terminate(), 50) })
      worker.on('exit', () => { if (--left === 0) pool.query('select 1').then(() => console.log('all ended', pids.size)) })
    }`
  assert.match(program(text), /^all ended \d$/)
})

ours('end() waits as long as closeTimeout says, also where that is a text', async ({ pool }) => {
  const made = pool({ closeTimeout: '300ms' })
  const client = await made.connect()
  client.on('error', () => {})
  const start = Date.now()
  await made.end()
  const took = Date.now() - start
  assert.ok(took >= 290 && took < 3000, `it took ${took} ms`)
})
