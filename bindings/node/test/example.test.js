'use strict'

const assert = require('node:assert/strict')
const { spawn, execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test, before, after } = require('node:test')
const { Client } = require('pg')
const { startServer } = require('./support/server')
const { until } = require('./support/drivers')

// The example is run as it is, and as it was: with the one line that it says it has changed. The same requests get the same
// answers.

const example = path.join(__dirname, '..', '..', '..', 'examples', 'node')
const express = path.join(example, 'node_modules', 'express')
const skip = fs.existsSync(express) ? false : 'Express is not there: run `npm install --ignore-scripts` in examples/node'

const packages = {
  pg: path.dirname(require.resolve('pg/package.json')),
  'pg-holdfast': path.join(__dirname, '..'),
}

let server
let directory
before(async () => {
  if (skip) return
  server = await startServer()
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-example-'))
})
after(() => {
  server?.remove()
  if (directory) fs.rmSync(directory, { recursive: true, force: true })
})

async function create(database) {
  const client = new Client(server.config)
  await client.connect()
  await client.query(`create database ${client.escapeIdentifier(database)}`)
  await client.end()
}

/** A copy of the example that requires the package of this name, and the URL of a database for it. */
async function copy(name, database = name.replace('-', '_')) {
  const place = path.join(directory, database)
  fs.mkdirSync(path.join(place, 'node_modules'), { recursive: true })
  for (const file of fs.readdirSync(example).filter((each) => each.endsWith('.js'))) {
    const text = fs.readFileSync(path.join(example, file), 'utf8')
    fs.writeFileSync(path.join(place, file), text.replace("require('pg-holdfast')", `require('${name}')`))
  }
  fs.symlinkSync(express, path.join(place, 'node_modules', 'express'))
  fs.symlinkSync(packages[name], path.join(place, 'node_modules', name))
  await create(database)
  return { place, env: { ...process.env, DATABASE_URL: server.url.replace(/[^/]*$/, database), PORT: '0' } }
}

/** Runs it and calls `body` with its URL; then it has to end when told to. */
async function running(name, body) {
  const { place, env } = await copy(name)
  const child = spawn(process.execPath, ['server.js'], { cwd: place, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let said = ''
  child.stdout.on('data', (data) => {
    said += data
  })
  try {
    await until('the example listens', () => /http:\S+/.test(said), 15000)
    await body(new URL(/http:\S+/.exec(said)[0]))
  } finally {
    child.kill('SIGTERM')
  }
  assert.equal(await ended, 0)
}

/** What it answers to a number of requests, with its news. */
async function answers(url) {
  const stop = new AbortController()
  const news = await fetch(new URL('/news', url), { signal: stop.signal })
  let heard = ''
  const hearing = (async () => {
    for await (const chunk of news.body) heard += Buffer.from(chunk)
  })().catch(() => {})
  await until('it says that it listens', () => heard.includes('listening'))

  const seen = []
  const get = async (place) => {
    const answer = await fetch(new URL(place, url))
    seen.push([place, answer.status, await answer.json()])
  }
  const order = async (body) => {
    const answer = await fetch(new URL('/orders', url), {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    })
    seen.push([body, answer.status, await answer.json()])
  }
  await get('/items')
  await get('/items/2')
  await get('/items/7')
  await get('/items/seven')
  await order({ item: 1, quantity: 2 })
  await order({ item: 2, quantity: 3 })
  await order({ item: 9, quantity: 1 })
  await order({ item: 1, quantity: -1 })
  await order({ item: 1 })
  await get('/orders')
  await get('/items')
  await Promise.all(Array.from({ length: 6 }, () => order({ item: 1, quantity: 1 })))
  await until('it told of seven orders', () => heard.split('data:').length === 8)
  stop.abort()
  await hearing
  // Those at once are told in any order.
  const all = seen.map((each) => JSON.stringify(each))
  return { first: all.slice(0, -6), atOnce: seen.slice(-6).map(([, status]) => status), heard }
}

test('the example answers as it does with node-postgres', { skip, timeout: 60000 }, async () => {
  const given = {}
  for (const name of Object.keys(packages)) {
    await running(name, async (url) => {
      given[name] = await answers(url)
    })
  }
  assert.deepEqual(given['pg-holdfast'], given.pg)
  assert.deepEqual(given.pg.atOnce, Array(6).fill(201))
  const statuses = given.pg.first.map((each) => JSON.parse(each)[1])
  assert.deepEqual(statuses, [200, 200, 404, 400, 201, 409, 409, 409, 409, 200, 200])
})

test('one pool remains when a development server loads the modules again', { skip, timeout: 60000 }, async () => {
  const { place, env } = await copy('pg-holdfast', 'reloaded')
  const database = fs.readFileSync(path.join(place, 'database.js'), 'utf8')
  // As frameworks advise: not `new Pool`, but whatever is there already.
  fs.writeFileSync(path.join(place, 'database.js'), database
    .replace('new Pool(', 'Pool.shared(')
    .replace("pool.on('error'", "pool.listenerCount('error') > 0 || pool.on('error'"))
  fs.writeFileSync(path.join(place, 'reload.js'), `
    const seen = new Set()
    async function main() {
      for (let i = 0; i < 30; i++) {
        for (const name of Object.keys(require.cache)) if (!name.endsWith('.node') && !name.includes('/express/')) delete require.cache[name]
        const { pool, prepare } = require('./database')
        require('./app')
        if (i === 0) await prepare()
        seen.add(pool)
        await Promise.all(Array.from({ length: 8 }, () => pool.query('select pg_sleep(0.002)')))
      }
      const [pool] = seen
      const { rows } = await pool.query("select count(*)::int as n from pg_stat_activity where datname = current_database()")
      console.log(JSON.stringify({ pools: seen.size, sessions: rows[0].n, opens: pool.stats().opens }))
    }
    main()`)
  const said = execFileSync(process.execPath, ['reload.js'], { cwd: place, env, encoding: 'utf8', timeout: 30000 })
  const { pools, sessions, opens } = JSON.parse(said)
  assert.equal(pools, 1)
  assert.ok(sessions <= 4 && opens <= 4, said)
})
