'use strict'

const HELP = `usage: npm run bench:fleet -- [pg-holdfast | pg] [SECONDS]

Ten processes share a server that has 17 slots for them, each with a pool of 8 and 16 requests in flight: who gets how much,
and what fails. For 20 seconds, if not told otherwise. With pg each request retries twice, after 1 s and 2 s, when the server
is full, as careful programs do; with pg-holdfast, which is the default, the pool does what it does.`

const { fork } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')

const PROCESSES = 10
const MAX = 8
const IN_FLIGHT = 16
const SLOTS = 17
const WORK_SECONDS = 0.02
/** After the time is over: for requests under way, with all their retries. */
const PATIENCE_MILLIS = 30_000

const PACKAGES = { pg: 'pg', 'pg-holdfast': '..' }

/** One process of the fleet. */
async function member(name, seconds, config) {
  const pool = new (require(PACKAGES[name]).Pool)({ ...config, max: MAX })
  pool.on('error', () => {})
  const failures = {}
  const took = []
  let retries = 0
  const request = () => pool.query('select pg_sleep($1)', [WORK_SECONDS])
  const retried = async () => {
    for (const wait of [1000, 2000, undefined]) {
      try {
        return await request()
      } catch (error) {
        if (error.code !== '53300' || wait === undefined) throw error
        retries += 1
        await sleep(wait * (1 - 0.2 * Math.random()))
      }
    }
  }
  const run = name === 'pg' ? retried : request
  await new Promise((resolve) => {
    process.once('message', resolve)
    process.send('ready')
  })
  const end = performance.now() + seconds * 1000
  const caller = async () => {
    for (;;) {
      const start = performance.now()
      if (start >= end) return
      try {
        await run()
        // What is answered after the end belongs to no second of it.
        if (performance.now() < end) took.push(performance.now() - start)
      } catch (error) {
        const kind = error.code ?? error.kind ?? error.message
        failures[kind] = (failures[kind] ?? 0) + 1
      }
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller))
  process.send({ took, failures, retries })
  await pool.end()
  process.disconnect()
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]

async function fleet(name, seconds) {
  const { startServer } = require('../test/support/server')
  const { Client } = require('pg')
  const server = await startServer({ max_connections: SLOTS + 3, superuser_reserved_connections: 3, shared_buffers: '32MB' })
  const members = []
  try {
    const admin = new Client(server.config)
    await admin.connect()
    await admin.query('create role app login')
    await admin.end()
    const config = { ...server.config, user: 'app' }
    for (let i = 0; i < PROCESSES; i++) members.push(fork(__filename, ['--member', name, String(seconds), JSON.stringify(config)]))
    const said = (child) => new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (status) => reject(new Error(`a process of the fleet ended before it told anything, with status ${status}`)))
    })
    await Promise.all(members.map(said))
    const told = Promise.all(members.map(said))
    members.forEach((child) => child.send('go'))
    const limit = new AbortController()
    const late = sleep(seconds * 1000 + PATIENCE_MILLIS, undefined, { signal: limit.signal, ref: false })
      .then(() => Promise.reject(new Error('the fleet did not end in time')), () => new Promise(() => {}))
    const results = await Promise.race([told, late])
    limit.abort()
    report(name, seconds, results, fs.readFileSync(path.join(server.directory, 'log'), 'utf8'))
  } finally {
    members.forEach((child) => child.kill())
    server.remove()
  }
}

function report(name, seconds, results, log) {
  const counts = results.map(({ took }) => took.length).sort((a, b) => a - b)
  const took = results.flatMap((each) => each.took).sort((a, b) => a - b)
  const failures = {}
  for (const each of results) for (const [kind, n] of Object.entries(each.failures)) failures[kind] = (failures[kind] ?? 0) + n
  const refused = (log.match(/FATAL: .*(remaining connection slots|too many clients)/g) ?? []).length
  const median = (counts[PROCESSES / 2 - 1] + counts[PROCESSES / 2]) / 2
  console.log(`${name}: ${PROCESSES} processes, ${SLOTS} slots, ${seconds} s`)
  console.log(`  answers          ${took.length}, ${Math.round(took.length / seconds)}/s of at most ${SLOTS / WORK_SECONDS}`)
  console.log(`  failures         ${JSON.stringify(failures)}, retries of the program ${results.reduce((sum, { retries }) => sum + retries, 0)}`)
  console.log(`  took, ms         p50 ${Math.round(quantile(took, 0.5))}, p99 ${Math.round(quantile(took, 0.99))}, most ${Math.round(took.at(-1))}`)
  console.log(`  for each process min ${counts[0]}, median ${median}, max ${counts.at(-1)}`)
  console.log(`  refused by the server ${refused}`)
}

async function main() {
  const [first, ...others] = process.argv.slice(2)
  if (first === '--help') return console.log(HELP)
  if (first === '--member') return member(others[0], Number(others[1]), JSON.parse(others[2]))
  const name = first ?? 'pg-holdfast'
  const seconds = Number(others[0] ?? 20)
  if (!(name in PACKAGES)) throw new Error(`there is no contender ${JSON.stringify(name)}: choose of ${Object.keys(PACKAGES).join(', ')}`)
  if (!(seconds > 0)) throw new Error(`seconds must be above 0, not ${others[0]}: give 20`)
  return fleet(name, seconds)
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
