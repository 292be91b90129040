'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

// The example of Next.js in its crowd: more requests at once than the server has slots, with each of the packages.

const example = path.join(__dirname, '..', '..', '..', '..', 'examples', 'next')
const isInstalled = fs.existsSync(path.join(example, 'node_modules', 'next'))
const skip = isInstalled ? false : 'Next.js is not there: run `npm install --ignore-scripts` in examples/next'
const SECONDS = 6

test('a crowd of Next.js processes fails no request, where with pg the server refuses connections', { skip, timeout: 300_000 }, async () => {
  const { build, run, SLOTS } = require(path.join(example, 'crowd', 'scene'))
  await build()
  const pg = await run('pg', SECONDS)
  assert.ok(pg.refused > 0, `the slots do not suffice: ${JSON.stringify(pg)}`)
  const own = await run('pg-holdfast', SECONDS)
  assert.deepEqual(own.failures, {}, JSON.stringify(own))
  assert.ok(own.perProcess[0] > 0, `every process has answers: ${JSON.stringify(own)}`)
  assert.ok(own.refused < pg.refused, `it asks a full server less often: ${JSON.stringify({ own, pg })}`)
  assert.ok(own.sessions <= SLOTS, JSON.stringify(own))
})
