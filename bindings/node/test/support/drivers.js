'use strict'

const { test, before, after } = require('node:test')
const { startServer } = require('./server')

/** The packages that the same assertions hold for. */
const drivers = [
  { name: 'pg', package: require('pg') },
  { name: 'pg-holdfast', package: require('../..') },
]
/** The same assertions hold with node-postgres' defaults. */
const compatible = { ...drivers[1], name: "pg-holdfast, compatible: 'pg'", options: { compatible: 'pg' } }

/**
 * Tests of one file, run against each driver on one server. `both('a sentence', async ({ Pool, pool, server }) => ...)`;
 * pools that `pool(options)` made are ended afterwards. `start` starts a server other than the usual one.
 */
function suite(start = startServer) {
  let server
  before(async () => {
    server = await start()
  })
  after(() => server?.remove())

  function run(driver, title, body, timeout = 30000) {
    test(`${driver.name}: ${title}`, { timeout }, async () => {
      const made = []
      const pool = (options) => {
        const each = new driver.package.Pool({ ...server.config, ...driver.options, ...options })
        made.push(each)
        return each
      }
      try {
        await body({ ...driver.package, name: driver.name, pool, server })
      } finally {
        await Promise.all(made.map((each) => each.ending || each.end()))
      }
    })
  }

  return {
    both: (title, body) => [...drivers, compatible].forEach((driver) => run(driver, title, body)),
    /** `timeout` is in milliseconds. */
    ours: (title, body, timeout) => run(drivers[1], title, body, timeout),
    server: () => server,
  }
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Waits until something holds, looking again every few milliseconds. */
async function until(what, condition, limit = 5000) {
  const end = Date.now() + limit
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`)
    await sleep(5)
  }
}

module.exports = { suite, sleep, until }
