'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const { test, before, after } = require('node:test')
const { startServer } = require('../support/server')
const { until } = require('../support/drivers')
const { DRIVERS, host, elsewhere } = require('./support')

// Next.js: the build imports the module with the pool without the environment that it runs in, and what `output: 'standalone'` puts
// out runs where there is nothing else.

const MINUTES = 600_000
let server
let user
before(async () => {
  server = await startServer()
  user = await host('next@15', 'react@19', 'react-dom@19')
}, { timeout: MINUTES })
after(() => {
  user?.remove()
  server?.remove()
})

const freePort = () => new Promise((resolve) => {
  const probe = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => resolve(port))
  })
})

/** Writes an application whose one route asks the database. */
function write(driver) {
  const place = `next-${driver}`
  user.write(`${place}/package.json`, JSON.stringify({ name: place, private: true }))
  user.write(`${place}/next.config.js`, `module.exports = { output: 'standalone', outputFileTracingRoot: __dirname + '/..', serverExternalPackages: ['${driver}'] }`)
  user.write(`${place}/lib/db.js`, `import { Pool } from '${driver}'\nexport const pool = new Pool({ connectionString: process.env.DATABASE_URL, port: Number(undefined) })`)
  user.write(`${place}/app/layout.js`, 'export default function Layout({ children }) { return <html><body>{children}</body></html> }')
  user.write(`${place}/app/page.js`, 'export default function Page() { return <p>hello</p> }')
  user.write(`${place}/app/api/sum/route.js`, `
    import { pool } from '../../../lib/db'
    export const dynamic = 'force-dynamic'
    export async function GET() {
      const { rows } = await pool.query('select $1::int + 1 as n', [41])
      return Response.json(rows)
    }`)
  return path.join(user.directory, place)
}

async function answerOf(file, cwd) {
  const port = await freePort()
  const env = { ...process.env, NODE_OPTIONS: '', NODE_PATH: '', PORT: String(port), HOSTNAME: '127.0.0.1', DATABASE_URL: server.url }
  const running = spawn(process.execPath, [file], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [running.stdout, running.stderr]) stream.on('data', (data) => { said += data })
  try {
    let answer
    await until(`it answers; it said: ${said}`, async () => {
      answer = await fetch(`http://127.0.0.1:${port}/api/sum`).catch(() => undefined)
      return answer !== undefined
    }, 30_000)
    assert.equal(answer.status, 200, said)
    return await answer.json()
  } finally {
    running.kill()
  }
}

for (const driver of DRIVERS) {
  test(`${driver}: a standalone build of Next.js runs`, { timeout: MINUTES }, async () => {
    const app = write(driver)
    const build = { cwd: app, timeout: MINUTES, env: { NEXT_TELEMETRY_DISABLED: '1', DATABASE_URL: '' } }
    await user.run(path.join(user.directory, 'node_modules', '.bin', 'next'), ['build'], build)
    const place = elsewhere()
    try {
      fs.cpSync(path.join(app, '.next', 'standalone'), place, { recursive: true, verbatimSymlinks: true })
      assert.deepEqual(await answerOf(path.join(place, `next-${driver}`, 'server.js'), place), [{ n: 42 }])
    } finally {
      fs.rmSync(place, { recursive: true, force: true })
    }
  })
}
