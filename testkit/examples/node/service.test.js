'use strict'

// Proves that the service survives a full server: node --test

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { test, before, after } = require('node:test')
const { setTimeout: delay } = require('node:timers/promises')
const { createService } = require('./service')
const testkit = require('./testkit')

/** The time for which the server stays full, in milliseconds. */
const BUSY = 700

let kit
before(async () => (kit = await testkit.start('full-server', '--slots', '3')))
after(() => kit?.stop())

/** Runs the service, and calls `body` with its address. */
async function running(config, body) {
  const server = createService({ connectionString: kit.url, ...config })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await body(`http://127.0.0.1:${server.address().port}`)
  } finally {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
}

test('a server that stays full is reported, in time', () =>
  running({ connectionTimeoutMillis: BUSY }, async (url) => {
    const response = await fetch(url, { method: 'POST' })
    assert.equal(response.status, 503)
    assert.equal((await response.json()).code, '53300')
  }))

test('orders wait while the server is full, and none is lost', () =>
  running({ max: 2 }, async (url) => {
    let answered = 0
    const orders = Array.from({ length: 20 }, () => fetch(url, { method: 'POST' }).finally(() => (answered += 1)))
    await delay(BUSY)
    assert.equal(answered, 0, 'there is no slot yet')
    await kit.order('free=1')
    for (const response of await Promise.all(orders)) assert.equal(response.status, 200)
    assert.deepEqual(await (await fetch(url)).json(), { orders: 20 })
  }))
