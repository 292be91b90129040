'use strict'

// One run of the scene: a private PostgreSQL with few slots, processes of the application, and requests at all of them at once.

const { spawn } = require('node:child_process')
const { randomUUID } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { Client } = require('pg')
const { startServer } = require('../../../bindings/node/test/support/server')

const top = path.join(__dirname, '..')
const next = path.join(top, 'node_modules', 'next', 'dist', 'bin', 'next')

const PROCESSES = 4
const SLOTS = 16
/** PostgreSQL keeps these for superusers. */
const RESERVED = 3
/** Through which the scene counts sessions. */
const OWN = 1
const IN_FLIGHT = 12
const LOOK_EVERY_MILLIS = 50
const START_LIMIT_MILLIS = 60_000
const CLIENTS = 40

function spawnNext(args, env) {
  const all = { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', NODE_OPTIONS: '', ...env }
  return spawn(process.execPath, [next, ...args], { cwd: top, env: all, stdio: ['ignore', 'pipe', 'pipe'] })
}

function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return undefined
  return new Promise((resolve) => child.once('exit', resolve))
}

/** Builds the application, once for both packages: which one it uses is asked when it starts. */
async function build() {
  const child = spawnNext(['build'], { DATABASE_URL: '' })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { said += data })
  await ended(child)
  if (child.exitCode !== 0) throw new Error(`next build failed with status ${child.exitCode}\n${said}`)
}

/** The requests of the scene in turn: reads with a slow one among them, and every fourth writes. */
function request(url, n) {
  const client = (n * 7) % CLIENTS + 1
  switch (n % 4) {
    case 0:
    case 2:
      return fetch(new URL('/api/clients', url))
    case 1:
      return fetch(new URL(`/api/users?client=${client}`, url))
    default: {
      const body = JSON.stringify({ client, email: `${randomUUID()}@example.org` })
      return fetch(new URL('/api/users', url), { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    }
  }
}

/** Starts one process of the application on a port that the system chooses, and has it load its routes. */
async function start(env) {
  const child = spawnNext(['start', '-p', '0', '-H', '127.0.0.1'], env)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { said = (said + data).slice(-10_000) })
  const limit = Date.now() + START_LIMIT_MILLIS
  for (;;) {
    const url = /Local:\s+(http:\S+)[\s\S]*Ready/.exec(said)?.[1]
    if (url) {
      for (const n of [0, 1]) await (await request(url, n)).text()
      return { child, url }
    }
    if (child.exitCode !== null || Date.now() > limit) {
      child.kill('SIGKILL')
      throw new Error(`next start is not ready\n${said}`)
    }
    await sleep(50)
  }
}

/** Keeps requests in flight at one process until `end`. */
async function load(url, end) {
  const took = []
  const failures = {}
  let sent = 0
  const one = async () => {
    while (performance.now() < end) {
      const begun = performance.now()
      const failure = await request(url, sent++).then(async (response) => {
        const body = await response.json()
        return response.ok ? undefined : body.code ?? body.error
      }, (error) => error.cause?.code ?? error.message)
      if (failure === undefined) took.push(performance.now() - begun)
      else failures[failure] = (failures[failure] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  return { took, failures }
}

/** Counts the application's sessions until it is stopped; gives the most there were at once. */
function countSessions(admin) {
  const stop = new AbortController()
  const counting = (async () => {
    let most = 0
    while (!stop.signal.aborted) {
      const { rows } = await admin.query("select count(*)::int as n from pg_stat_activity where usename = 'app'")
      most = Math.max(most, rows[0].n)
      await sleep(LOOK_EVERY_MILLIS)
    }
    return most
  })()
  // It is waited for at the end; till then nobody would hear of its failure.
  counting.catch(() => {})
  return () => {
    stop.abort()
    return counting
  }
}

const quantile = (sorted, q) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))])

function figures(results, sessions, log, seconds) {
  const took = results.flatMap((each) => each.took).sort((a, b) => a - b)
  const failures = {}
  for (const each of results) for (const [kind, n] of Object.entries(each.failures)) failures[kind] = (failures[kind] ?? 0) + n
  const failed = Object.values(failures).reduce((sum, n) => sum + n, 0)
  const answers = results.map((each) => each.took.length).sort((a, b) => a - b)
  return {
    requests: took.length + failed,
    answered: took.length,
    failed,
    failures,
    seconds,
    perProcess: [answers[0], answers.at(-1)],
    p50: quantile(took, 0.5),
    p99: quantile(took, 0.99),
    refused: (log.match(/^53300 FATAL/gm) ?? []).length,
    sessions,
  }
}

/**
 * Runs the scene with one package. The application is built already.
 * @param {'pg' | 'pg-holdfast'} name
 * @param {number} seconds
 */
async function run(name, seconds) {
  const limits = { max_connections: SLOTS + RESERVED + OWN, superuser_reserved_connections: RESERVED }
  const server = await startServer({ ...limits, shared_buffers: '32MB', log_line_prefix: '%e ' })
  const admin = new Client(server.config)
  const processes = []
  try {
    await admin.connect()
    await admin.query(fs.readFileSync(path.join(top, 'schema.sql'), 'utf8'))
    await admin.query('create role app login')
    await admin.query('grant all on all tables in schema public to app; grant all on all sequences in schema public to app')
    const env = { DB_PACKAGE: name, DATABASE_URL: server.url.replace('postgres@', 'app@') }
    for (const starting of Array.from({ length: PROCESSES }, () => start(env))) processes.push(await starting)
    const stop = countSessions(admin)
    const end = performance.now() + seconds * 1000
    const results = await Promise.all(processes.map(({ url }) => load(url, end)))
    return figures(results, await stop(), fs.readFileSync(path.join(server.directory, 'log'), 'utf8'), seconds)
  } finally {
    for (const { child } of processes) child.kill('SIGKILL')
    await Promise.all(processes.map(({ child }) => ended(child)))
    await admin.end().catch(() => {})
    server.remove()
  }
}

module.exports = { build, run, PROCESSES, SLOTS, IN_FLIGHT }
