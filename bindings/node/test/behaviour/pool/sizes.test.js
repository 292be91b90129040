'use strict'

const assert = require('node:assert/strict')
const { suite, until } = require('../../support/drivers')

const { ours } = suite()

ours('a pool that is made larger serves who waits, and one made smaller closes what is too many', async ({ pool }) => {
  const made = pool({ max: 1 })
  const first = await made.connect()
  const second = made.connect()
  await until('it waits', () => made.waitingCount === 1)
  await made.setMaxSize(3)
  const client = await second
  assert.equal(made.stats().maxSize, 3)
  assert.equal(made.options.max, 3)
  await made.setMaxSize(1)
  client.release()
  await until('the surplus is closed', () => made.stats().total === 1)
  assert.equal(made.stats().closed.surplus, 1)
  first.release()
  assert.equal((await made.query('select 1 as n')).rows[0].n, 1)
})

ours('a pool is warm when its least connections are open, or as many as are asked for', async ({ pool }) => {
  const made = pool({ max: 4, min: 2 })
  await made.waitUntilWarm()
  assert.equal(made.idleCount, 2)
  await made.waitUntilWarm(4, { timeoutMillis: 5000 })
  assert.equal(made.idleCount, 4)
  await assert.rejects(made.waitUntilWarm(5), { kind: 'misuse', message: /5 connections can never be open: max_size is 4/ })
})

ours('ping asks the server, and says why it cannot be used', async ({ pool }) => {
  const made = pool()
  await made.ping()
  await made.ping({ timeoutMillis: 2000 })
  const away = pool({ port: 1, retryMax: 0 })
  await assert.rejects(away.ping({ timeoutMillis: 2000 }), { kind: 'refused', code: 'ECONNREFUSED' })
})

ours('sizes and times that cannot be are refused with the value', async ({ pool }) => {
  const made = pool()
  for (const wrong of [0, -1, 1.5, 10_001, NaN, '3', undefined, null]) {
    await assert.rejects(made.setMaxSize(wrong), { name: 'TypeError', message: /from 1 to 10000, not / })
  }
  await assert.rejects(made.waitUntilWarm(2 ** 32 + 1), { name: 'TypeError', message: /not 4294967297/ })
  for (const wrong of [0, -1, '5', Infinity]) {
    await assert.rejects(made.ping({ timeoutMillis: wrong }), { name: 'TypeError', message: /timeoutMillis must be/ })
  }
})

ours('a pool that has ended has no size and does not answer', async ({ pool }) => {
  const made = pool()
  await made.end()
  const ended = { message: 'this pool was given back or closed before' }
  await assert.rejects(made.setMaxSize(2), ended)
  await assert.rejects(made.waitUntilWarm(), ended)
  await assert.rejects(made.ping(), ended)
})
