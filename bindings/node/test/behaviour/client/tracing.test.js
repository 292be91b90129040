'use strict'

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const diagnostics = require('node:diagnostics_channel')
const { suite } = require('../../support/drivers')

const { ours } = suite()
const skip = diagnostics.tracingChannel === undefined

/** Collects what a channel tells while `body` runs. */
async function heard(name, body) {
  const told = []
  const channel = diagnostics.tracingChannel(name)
  const subscribers = Object.fromEntries(['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((part) => [part, (context) => told.push([part, context])]))
  channel.subscribe(subscribers)
  try {
    await body()
  } finally {
    channel.unsubscribe(subscribers)
  }
  return told
}

const parts = (told) => told.map(([part]) => part)

if (!skip) {
  ours('queries of pools and clients are told of, with their text, their result or their error', async ({ pool, server }) => {
    const made = pool({ max: 1 })
    const client = await made.connect()
    const ways = [
      (text) => client.query(text, [5]),
      (text) => new Promise((resolve, reject) => client.query(text, [5], (error, result) => (error ? reject(error) : resolve(result)))),
    ]
    for (const way of ways) {
      const told = await heard('pg-holdfast:query', () => way('select $1::int as n'))
      assert.deepEqual(parts(told), ['start', 'end', 'asyncStart', 'asyncEnd'])
      const context = told[0][1]
      assert.equal(told[3][1], context)
      assert.deepEqual([context.query.text, context.query.values, context.server.port, context.result.rowCount], ['select $1::int as n', [5], server.port, 1])
      assert.equal(context.processID, client.processID)
      const failed = await heard('pg-holdfast:query', () => assert.rejects(way('select $1::int / 0 as n'), { code: '22012' }))
      assert.deepEqual(parts(failed), ['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
      assert.equal(failed[0][1].error.code, '22012')
    }
    client.release()
    assert.deepEqual(parts(await heard('pg-holdfast:query', () => made.query('select 1'))), ['start', 'end', 'asyncStart', 'asyncEnd'])
    assert.deepEqual(parts(await heard('pg-holdfast:query', () => made.query('select 1; select 2'))), ['start', 'end', 'asyncStart', 'asyncEnd'])
  })

  ours('checkouts are told of, with the client', async ({ pool }) => {
    const made = pool({ max: 1 })
    let client
    const told = await heard('pg-holdfast:connect', async () => {
      client = await made.connect()
    })
    assert.deepEqual(parts(told), ['start', 'end', 'asyncStart', 'asyncEnd'])
    assert.equal(told[3][1].result, client)
    client.release()
    const called = await heard('pg-holdfast:connect', () => new Promise((resolve) => {
      made.connect((error, each, release) => resolve(release()))
    }))
    assert.deepEqual(parts(called), ['start', 'end', 'asyncStart', 'asyncEnd'])
  })

  ours('a store that a tracer binds is there in callbacks', async ({ pool }) => {
    const spans = new AsyncLocalStorage()
    const channel = diagnostics.tracingChannel('pg-holdfast:query')
    channel.start.bindStore(spans, (context) => `span of ${context.query.text}`)
    try {
      const seen = await new Promise((resolve) => pool().query('select 1', () => resolve(spans.getStore())))
      assert.equal(seen, 'span of select 1')
    } finally {
      channel.start.unbindStore(spans)
    }
  })
}
