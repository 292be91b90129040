'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { after, before, describe, test } = require('node:test')
const pg = require('pg')
const holdfast = require('../..')
const { startServer } = require('../support/server')
const { outcome } = require('../support/compare')

/**
 * One table of queries, run through node-postgres and through this package on the same server: values, fields, command,
 * rowCount, oid and errors have to be deeply equal. Each is run three times here, since a statement that comes again is
 * prepared and its results come in binary: that must not be seen.
 */

const GROUPS = ['types', 'parameters', 'results', 'errors']

function configOf(each) {
  const config = { text: each.text }
  for (const name of ['values', 'rowMode', 'types', 'binary', 'queryMode']) if (name in each) config[name] = each[name]
  if (each.statement !== undefined) config.name = each.statement
  return config
}

/** On one client, within a transaction that is rolled back where the case changes something. */
async function run(client, each) {
  if (each.rollback) await client.query('BEGIN')
  for (const text of each.before ?? []) await client.query(text)
  for (const text of each.fails ?? []) await client.query(text).catch(() => {})
  const ended = await outcome(() => client.query(configOf(each)))
  if (each.rollback) await client.query('ROLLBACK')
  return ended
}

function equal(actual, expected, only) {
  const { stack, ...seen } = actual
  const { stack: _, ...wanted } = expected
  for (const { error } of only && wanted.error && seen.error ? [wanted, seen] : []) {
    for (const name of Object.keys(error)) if (!only.includes(name)) delete error[name]
  }
  if (wanted.result && seen.error) throw new Error(`it failed and should not have: ${stack}`)
  assert.deepEqual(seen, wanted)
}

/** Of the session, and of this process: timestamptz comes in binary only with the first, dates depend on the second. */
const ZONES = [['UTC', 'Europe/Berlin'], ['America/New_York', 'America/St_Johns']]

for (const [timezone, here] of ZONES) {
  describe(`with the session in ${timezone} and the process in ${here}`, () => {
    let server, theirs, ours, their, our

    before(async () => {
      process.env.TZ = here
      server = await startServer({ timezone })
      theirs = new pg.Pool({ ...server.config, max: 2 })
      await theirs.query(fs.readFileSync(path.join(__dirname, 'schema.sql'), 'utf8'))
      ours = new holdfast.Pool({ ...server.config, max: 2 })
      their = await theirs.connect()
      our = await ours.connect()
    })

    after(async () => {
      our?.release()
      their?.release()
      await Promise.all([ours?.end(), theirs?.end()])
      server?.remove()
    })

    for (const group of GROUPS) {
      describe(group, () => {
        for (const each of require(`./cases/${group}`)) {
          test(each.name, { timeout: 20000 }, async () => {
            const expected = await run(their, each)
            for (let time = 1; time <= 3; time++) equal(await run(our, each), expected, each.only)
            if (!each.rollback) equal(await outcome(() => ours.query(configOf(each))), expected, each.only)
          })
        }
      })
    }
  })
}
