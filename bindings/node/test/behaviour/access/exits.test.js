'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')
const { tlsSuite } = require('../../support/tls')

// A process may end at any moment, while threads of the library are in OpenSSL: it ends with the status it chose, by no signal.
const { ours, certificates } = tlsSuite()

/** `make thorough` asks for 1,000. */
const EXITS = Number(process.env.HOLDFAST_EXITS ?? 30)
const AT_ONCE = 2 * os.cpus().length
/** From when the pool is made: handshakes, queries and sessions that are closed. */
const LATEST_MILLIS = 120
const STATUS = 7
/** More than it takes, on a busy machine. */
const MILLIS_EACH = 5000

const LOAD = `
  const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
  const load = (options) => {
    const pool = new Pool(options)
    const queries = async () => {
      while (!pool.ending) await pool.query('select 1').catch(() => {})
    }
    for (let i = 0; i < 4; i++) queries()
    setInterval(() => pool.releaseIdle().catch(() => {}), 10)
    return pool
  }`

/** What runs beside the clock that ends the process. */
const SCENES = {
  'in the main thread': 'load(options)',
  'while the pool is ended': 'const pool = load(options); setTimeout(() => pool.end().catch(() => {}), millis / 2)',
  'in worker threads': `
    const { Worker } = require('node:worker_threads')
    for (let i = 0; i < 2; i++) new Worker(given.load + '; load(require("node:worker_threads").workerData)', { eval: true, workerData: options })`,
}

/** Runs a process and tells how it ended. */
function exit(scene, millis, options) {
  const code = `const given = JSON.parse(process.env.GIVEN); const { options, millis } = given
    ${LOAD}
    ${SCENES[scene]}
    setTimeout(() => process.exit(${STATUS}), millis)`
  const env = { ...process.env, GIVEN: JSON.stringify({ load: LOAD, options, millis }) }
  const child = spawn(process.execPath, ['-e', code], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (data) => { said += data })
  return new Promise((resolve) => child.once('close', (status, signal) => resolve({ scene, millis, status, signal, said })))
}

test('the addon brings OpenSSL along, since Node cleans up its own as the process ends', { skip: process.platform !== 'linux' && 'reads the names of shared objects on Linux' }, () => {
  const addon = fs.readFileSync(path.join(__dirname, '..', '..', '..', 'build', 'holdfast.node'), 'latin1')
  assert.ok(addon.includes('libc.so.'), 'the shared objects are named in it')
  assert.doesNotMatch(addon, /lib(ssl|crypto)\.so\./)
})

ours('a process that ends at any moment under load with TLS ends by no signal', async ({ server }) => {
  const options = { ...server.config, user: 'only_tls', max: 4, ssl: { ca: certificates.path('authority.crt') } }
  const scenes = Object.keys(SCENES)
  const bad = []
  let begun = 0
  const one = async () => {
    while (begun < EXITS) {
      const ended = await exit(scenes[begun++ % scenes.length], Math.random() * LATEST_MILLIS, options)
      if (ended.status !== STATUS) bad.push(ended)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  assert.deepEqual(bad, [])
}, EXITS * MILLIS_EACH)
