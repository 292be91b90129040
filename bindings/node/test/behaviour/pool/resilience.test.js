'use strict'

const assert = require('node:assert/strict')
const { execFile, spawn } = require('node:child_process')
const { test } = require('node:test')
const { promisify } = require('node:util')
const { startServer } = require('../../support/server')
const { suite, sleep, until } = require('../../support/drivers')

// What the core does about a server in trouble reaches JavaScript, and the event loop goes on meanwhile.
const { ours } = suite()

/**
 * Queries in a process of its own, since stopping a server holds this one up, until it is told to stop: how many went well,
 * what failed, and by how many milliseconds the event loop was late at most.
 */
function load(url, options) {
  const program = `
    const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
    const pool = new Pool({ connectionString: ${JSON.stringify(url)}, ...${JSON.stringify(options)} })
    const delay = require('node:perf_hooks').monitorEventLoopDelay({ resolution: 5 })
    let ok = 0, going = true
    const failures = []
    process.stdin.once('data', () => { going = false })
    async function one() {
      while (going) {
        try {
          await pool.query('select $1::int as n, pg_sleep(0.002)', [ok], { idempotent: true })
          if (++ok === 50) { console.log('running'); delay.enable() }
        } catch (error) {
          failures.push(error.kind + ': ' + error.message)
        }
      }
    }
    Promise.all(Array.from({ length: 8 }, one)).then(() => {
      console.log(JSON.stringify({ ok, failures, late: delay.max / 1e6 }))
      return pool.end()
    }).then(() => process.stdin.destroy())`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (data) => {
    said += data
  })
  return {
    running: () => until('the load runs', () => said.includes('running'), 20000),
    async stop() {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.stdin.write('stop\n')
      assert.equal(await ended, 0)
      return JSON.parse(said.trim().split('\n').at(-1))
    },
  }
}

/** How long a server that restarts is away at least. */
const AWAY_MILLIS = 2000

test('a restart of the server under load fails no query that may be repeated', { timeout: 60000 }, async () => {
  const server = await startServer()
  try {
    const running = load(server.url, { max: 4, retryMax: 100, retryBaseDelay: 50, retryMaxDelay: 300 })
    await running.running()
    server.stop()
    await sleep(AWAY_MILLIS)
    server.start()
    await sleep(500)
    const { ok, failures, late } = await running.stop()
    assert.deepEqual(failures, [])
    assert.ok(ok > 100, `${ok} queries`)
    // Waiting for the server in its place would make it as late as that is away.
    assert.ok(late < AWAY_MILLIS / 2, `the event loop was ${late} ms late`)
  } finally {
    server.remove()
  }
})

test('a server that is full for two seconds fails nobody', { timeout: 60000 }, async () => {
  const { Pool } = require('../../..')
  const server = await startServer({ max_connections: 6, superuser_reserved_connections: 0, max_wal_senders: 0 })
  const pg = require('pg')
  const held = []
  try {
    for (let i = 0; i < 6; i++) {
      const client = new pg.Client(server.config)
      client.on('error', () => {})
      await client.connect()
      held.push(client)
    }
    const pool = new Pool({ ...server.config, max: 4, retryMax: 3 })
    const full = []
    pool.on('event', ({ kind, failure }) => kind === 'open_failed' && full.push(failure))
    const answers = Promise.all(Array.from({ length: 12 }, (_, i) => pool.query('select $1::int as n', [i])))
    await sleep(2000)
    assert.ok(full.includes('server_full'), full.join())
    await Promise.all(held.splice(0).map((client) => client.end()))
    assert.equal((await answers).length, 12)
    await pool.end()
  } finally {
    await Promise.all(held.map((client) => client.end()))
    server.remove()
  }
})

ours('a session that is frozen loses its statement at the deadline, and the pool goes on', async ({ pool }) => {
  // A census of the fleet could have the session as it freezes.
  const made = pool({ max: 1, fleetShare: false })
  const { rows: [{ pid }] } = await made.query('select pg_backend_pid() as pid')
  process.kill(pid, 'SIGSTOP')
  try {
    const begun = Date.now()
    await assert.rejects(made.query('select 1', [], { deadline: 300 }), { kind: 'query_timeout' })
    assert.ok(Date.now() - begun < 3000)
    assert.equal((await made.query('select 1 as one', [], { deadline: 5000 })).rows[0].one, 1)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
})

test('pg-holdfast: without descriptors a query fails with EMFILE, and with some again it runs', { timeout: 60_000 }, async () => {
  const started = await startServer()
  const program = `
    const fs = require('node:fs')
    const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
    const pool = new Pool({ connectionString: ${JSON.stringify(started.url)}, retryMax: 0 })
    async function main() {
      await pool.query('select 1')
      await pool.releaseIdle()
      const opened = []
      try { for (;;) opened.push(fs.openSync('/dev/null')) } catch {}
      const failure = await pool.query('select 1').catch((error) => error)
      opened.forEach((each) => fs.closeSync(each))
      const { rows } = await pool.query('select 2 as n')
      console.log(JSON.stringify({ code: failure.code, errno: failure.errno, kind: failure.kind, n: rows[0].n, circuit: pool.stats().circuit }))
      await pool.end()
    }
    main()
  `
  try {
    const { stdout } = await promisify(execFile)('bash', ['-c', 'ulimit -n 100; exec "$0" -e "$1"', process.execPath, program])
    assert.deepEqual(JSON.parse(stdout), { code: 'EMFILE', errno: -24, kind: 'local_limit', n: 2, circuit: 'closed' })
  } finally {
    await started.remove()
  }
})
