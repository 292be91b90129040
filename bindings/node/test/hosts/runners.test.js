'use strict'

const { test, before, after } = require('node:test')
const { startServer } = require('../support/server')
const { DRIVERS, host } = require('./support')

// Test runners load modules anew for each file, in realms of their own, and put fake timers in the place of the real ones.

let server
let user
before(async () => {
  server = await startServer()
  user = await host('jest', 'vitest')
})
after(() => {
  user?.remove()
  server?.remove()
})

/** The bodies of the tests: the same for both runners, whose globals are `test`, `expect` and `fakes`. */
const bodies = (driver, load, fakes) => `
const work = async () => {
  const { Pool } = ${load}
  const pool = new Pool({ connectionString: process.env.DATABASE_URL })
  const { rows } = await pool.query('select $1::bytea as bytes, $2::int as n', [Buffer.from([1, 2]), 7])
  expect(rows[0].n).toBe(7)
  expect(rows[0].bytes.toString('hex')).toBe('0102')
  expect((await pool.query('select generate_series(1, 3000) as i')).rows.length).toBe(3000)
  const client = await pool.connect()
  await client.query('begin')
  await expect(client.query('selec')).rejects.toMatchObject({ code: '42601' })
  await client.query('rollback')
  client.release()
  await pool.end()
}
test('${driver} works', work)
test('${driver} works again', work)
test('${driver} works with fake timers where there are none for Node’s own', async () => {
  ${fakes}.useFakeTimers({ ${fakes === 'jest' ? "doNotFake: ['nextTick', 'setImmediate', 'setTimeout', 'queueMicrotask']" : "toFake: ['Date']"} })
  try {
    await work()
  } finally {
    ${fakes}.useRealTimers()
  }
})
`

/** What pg cannot: under fake timers of every kind. */
const faked = (load, fakes) => `
test('a query under fake timers is answered, and so are those after it', async () => {
  const { Pool } = ${load}
  const pool = new Pool({ connectionString: process.env.DATABASE_URL })
  ${fakes}.useFakeTimers()
  expect((await pool.query('select 1 as n')).rows[0].n).toBe(1)
  expect((await pool.query('select generate_series(1, 3000) as i')).rows.length).toBe(3000)
  ${fakes}.useRealTimers()
  expect((await pool.query('select 2 as n')).rows[0].n).toBe(2)
  await pool.end()
})
`

for (const driver of DRIVERS) {
  const env = () => ({ DATABASE_URL: server.url, CI: '1' })
  const isOurs = driver === 'pg-holdfast'

  test(`${driver}: jest, several files in one worker, modules reset, fake timers`, { timeout: 120_000 }, async () => {
    const load = `require('${driver}')`
    for (const name of ['first', 'second', 'third']) user.write(`jest-${driver}/${name}.test.js`, bodies(driver, load, 'jest'))
    user.write(`jest-${driver}/reset.test.js`, `beforeEach(() => jest.resetModules())\n${bodies(driver, load, 'jest')}`)
    if (isOurs) user.write(`jest-${driver}/faked.test.js`, faked(load, 'jest'))
    await user.tool('jest', ['-i', '--rootDir', `jest-${driver}`, '--testEnvironment', 'node'], { env: env() })
    if (isOurs) {
      user.write(`jest-global/faked.test.js`, faked(load, 'jest'))
      user.write('jest-global/jest.config.js', "module.exports = { testEnvironment: 'node', fakeTimers: { enableGlobally: true } }")
      await user.tool('jest', ['-i', '--config', 'jest-global/jest.config.js'], { env: env() })
    }
  })

  for (const pool of ['threads', 'forks', 'vmThreads']) {
    test(`${driver}: vitest, ${pool}, several files, fake timers`, { timeout: 120_000 }, async () => {
      const head = `import { test, expect, vi, beforeEach } from 'vitest'\nimport pg from '${driver}'\n`
      const folder = `vitest-${driver}`
      for (const name of ['first', 'second', 'third']) user.write(`${folder}/${name}.test.mjs`, `${head}${bodies(driver, 'pg', 'vi')}`)
      user.write(`${folder}/reset.test.mjs`, `${head}beforeEach(() => vi.resetModules())\n${bodies(driver, `(await import('${driver}')).default`, 'vi')}`)
      if (isOurs) user.write(`${folder}/faked.test.mjs`, `${head}${faked('pg', 'vi')}`)
      await user.tool('vitest', ['run', '--root', folder, '--pool', pool, '--no-file-parallelism'], { env: env() })
    })
  }
}
