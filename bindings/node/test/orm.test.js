'use strict'

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const path = require('node:path')
const { test } = require('node:test')
const { promisify } = require('node:util')
const { startServer } = require('./support/server')

// What others build on node-postgres: the same program sees the same, whichever of the two is behind it.

const RUN = path.join(__dirname, 'orm', 'run.js')

async function seen(driver, program) {
  // Each run makes the same tables.
  const server = await startServer()
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [RUN, driver, program, JSON.stringify(server.config)], { timeout: 50_000 })
    return JSON.parse(stdout)
  } finally {
    server.remove()
  }
}

for (const program of ['drizzle', 'knex', 'kysely', 'pg-promise', 'sequelize', 'typeorm']) {
  test(`a program with ${program} sees what it sees with node-postgres`, { timeout: 120_000 }, async () => {
    const wanted = await seen('pg', program)
    assert.ok(Object.keys(wanted).length >= 7, 'it did all that it does')
    assert.deepEqual(await seen('pg-holdfast', program), wanted)
  })
}
