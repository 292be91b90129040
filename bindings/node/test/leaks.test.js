'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const { test, before, after } = require('node:test')
const { startServer } = require('./support/server')

// Memory, handles and threads after many queries and many pools: as many as show what leaks with one of a thousand.

const QUERIES = 100_000
const POOLS = 1000
/** Allocators do not give everything back; what leaks with each round goes beyond this. */
const MOST_GROWTH = 4 << 20

let server
before(async () => {
  server = await startServer()
})
after(() => server?.remove())

/** Runs a program in a process that has to end by itself, and returns what it printed. */
function measure(body) {
  const program = `
    const fs = require('node:fs')
    const { Pool } = require(${JSON.stringify(require.resolve('..'))})
    const url = ${JSON.stringify(server.url)}
    const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
    const list = (place) => fs.existsSync(place) ? fs.readdirSync(place).length : 0
    async function memory() {
      for (let i = 0; i < 5; i++) { gc(); await sleep(20) }
      const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
      return { rss, heapUsed, external: external + arrayBuffers, files: list('/proc/self/fd'), threads: list('/proc/self/task') }
    }
    const handles = () => process.getActiveResourcesInfo().filter((name) => !/^(PipeWrap|TTYWrap|FSReqCallback)$/.test(name))
    async function main() { ${body} }
    main().then((said) => console.log(JSON.stringify(said)))`
  const { status, stdout, stderr, error } = spawnSync(process.execPath, ['--expose-gc', '-e', program], { encoding: 'utf8', timeout: 280_000 })
  assert.equal(error, undefined, 'the process has to end by itself')
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

const MOST_NEW_WORKERS = 8

function assertFlat(before, after) {
  const told = JSON.stringify({ before, after })
  for (const name of ['heapUsed', 'external']) assert.ok(after[name] - before[name] < MOST_GROWTH, `${name} grew: ${told}`)
  assert.ok(after.rss - before.rss < 4 * MOST_GROWTH, `rss grew: ${told}`)
  assert.ok(after.files <= before.files, `files are left open: ${told}`)
  // The library starts its workers when they are needed, so a few may be new; one left by each of many would be hundreds.
  assert.ok(after.threads <= before.threads + MOST_NEW_WORKERS, `threads are left: ${told}`)
}

test(`${QUERIES} queries leave memory, files and threads as they were`, { timeout: 300_000 }, () => {
  const { before, after, left } = measure(`
    const pool = new Pool({ connectionString: url, max: 4 })
    let n = 0
    async function run(count) {
      const end = n + count
      const one = async () => {
        while (n < end) {
          const i = n++
          if (i % 100 === 0) await pool.query('selec').catch(() => {})
          else if (i % 10 === 0) { const client = await pool.connect(); await client.query('select 1'); client.release() }
          else if (i % 401 === 0) {
            const client = await pool.connect()
            const heard = () => {}
            client.on('notification', heard)
            await client.query('listen leaks')
            await sleep(12)
            await client.query('unlisten *')
            client.removeListener('notification', heard)
            client.release()
          }
          else if (i % 101 === 0) await pool.transaction((client) => client.query('select 1'))
          else if (i % 53 === 0) await pool.query({ text: 'select pg_sleep(0)', signal: new AbortController().signal })
          else await pool.query('select $1::int as n, $2::text as t, repeat($2, 10) as r', [i, 'some text'])
        }
      }
      await Promise.all(Array.from({ length: 16 }, one))
    }
    await run(${QUERIES / 4})
    const before = await memory()
    await run(${QUERIES})
    const after = await memory()
    await pool.end()
    await sleep(50)
    return { before, after, left: handles() }`)
  assertFlat(before, after)
  assert.deepEqual(left, [])
})

test(`${POOLS} pools opened and ended leave nothing behind`, { timeout: 300_000 }, () => {
  const { before, after, left, sessions } = measure(`
    async function run(count) {
      for (let i = 0; i < count; i++) {
        const pool = new Pool({ connectionString: url, max: 2, name: 'pool ' + i })
        await Promise.all([pool.query('select 1'), pool.query('select 2')])
        await pool.end()
      }
    }
    await run(${POOLS / 10})
    const before = await memory()
    await run(${POOLS})
    const after = await memory()
    const last = new Pool({ connectionString: url, max: 1, fleetShare: false })
    const { rows } = await last.query("select count(*)::int as n from pg_stat_activity where backend_type = 'client backend'")
    await last.end()
    await sleep(50)
    return { before, after, left: handles(), sessions: rows[0].n }`)
  assertFlat(before, after)
  assert.deepEqual(left, [])
  assert.equal(sessions, 1)
})

test('pools that were dropped without an end are collected, with their sessions', { timeout: 300_000 }, () => {
  const { sessions } = measure(`
    for (let i = 0; i < 20; i++) await new Pool({ connectionString: url, max: 1 }).query('select 1')
    const last = new Pool({ connectionString: url, max: 1, fleetShare: false })
    const count = async () => (await last.query("select count(*)::int as n from pg_stat_activity where backend_type = 'client backend'")).rows[0].n
    let sessions
    for (let i = 0; i < 50 && (sessions = await count()) > 1; i++) await memory()
    return { sessions }`)
  assert.equal(sessions, 1)
})
