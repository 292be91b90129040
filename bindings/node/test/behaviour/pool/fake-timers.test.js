'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { test } = require('node:test')
const { suite } = require('../../support/drivers')

const { server } = suite()

const NAMES = ['setImmediate', 'setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'clearImmediate', 'queueMicrotask']

/** Timers that stand still, as those of test runners do. */
const FAKES = `
  const still = Object.assign(() => ({ unref() { return this }, ref() { return this } }), { clock: {} })
  for (const name of ${JSON.stringify(NAMES)}) globalThis[name] = still
  process.nextTick = still
  performance.now = Object.assign(() => 0, { clock: {} })
  Date.now = () => 0`

const PROGRAM = `
  const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
  const work = async (config) => {
    const pool = new Pool(config)
    pool.on('connect', () => {})
    for (let i = 0; i < 3; i++) await pool.query('select 1')
    await pool.query('select generate_series(1, 5000) i')
    const client = await pool.connect()
    await client.query('select 1; select 2')
    client.release()
    await pool.transaction((client) => client.query('select 1'))
    await pool.query('selec').catch(() => {})
    await pool.end()
    console.log('done')
  }`

function run(source) {
  return execFileSync(process.execPath, ['-e', source], { encoding: 'utf8', timeout: 20_000 })
}

test('fake timers that are put in place later leave the library at work', () => {
  assert.equal(run(`${PROGRAM}\n${FAKES}\nwork(${JSON.stringify(server().config)})`), 'done\n')
})

test('fake timers that are there before the package is loaded leave it at work', () => {
  assert.equal(run(`${FAKES}\n${PROGRAM}\nwork(${JSON.stringify(server().config)})`), 'done\n')
})
