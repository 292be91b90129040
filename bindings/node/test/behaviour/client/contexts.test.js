'use strict'

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { suite } = require('../../support/drivers')

// What runs for one request runs in its context, also where the pool was made in that of another.
const { ours } = suite()
const request = new AsyncLocalStorage()
const seen = () => request.getStore()

/** A pool that was made by a request of its own. */
const madeElsewhere = (pool, options) => request.run('the maker', () => pool(options))

ours('callbacks of connect and query run in the context of their callers', async ({ pool }) => {
  const made = madeElsewhere(pool, { max: 2 })
  const connected = (name) => request.run(name, () => new Promise((resolve, reject) => {
    made.connect((error, client, release) => {
      const context = seen()
      if (error) return reject(error)
      return client.query('select 1', () => {
        release()
        resolve([context, seen()])
      })
    })
  }))
  const asked = (name) => request.run(name, () => new Promise((resolve) => made.query('select 1', () => resolve(seen()))))
  const names = ['a', 'b', 'c', 'd', 'e']
  assert.deepEqual(await Promise.all(names.map(connected)), names.map((name) => [name, name]))
  assert.deepEqual(await Promise.all(names.map(asked)), names)
})

ours('the body of a transaction runs in the context of its caller', async ({ pool }) => {
  const made = madeElsewhere(pool, { max: 2 })
  await made.query('select 1')
  const run = (name) => request.run(name, () => made.transaction(async (client) => {
    const first = seen()
    await client.query('select 1')
    return [first, seen()]
  }))
  const names = ['a', 'b', 'c', 'd']
  assert.deepEqual(await Promise.all(names.map(run)), names.map((name) => [name, name]))
})

ours('onConnect, verify and listeners of a checkout run in the context of the caller for which they are', async ({ pool }) => {
  const told = []
  const tell = (what) => told.push([what, seen()])
  const made = madeElsewhere(pool, {
    max: 1,
    onConnect: () => tell('onConnect'),
    verify: (client, done) => {
      tell('verify')
      done()
    },
  })
  for (const name of ['connect', 'acquire', 'release']) made.on(name, () => tell(name))
  await request.run('first', () => made.query('select 1'))
  assert.deepEqual(told.splice(0), ['onConnect', 'connect', 'acquire', 'verify', 'release'].map((what) => [what, 'first']))
  await request.run('second', () => made.query('select 1'))
  assert.deepEqual(told.splice(0), ['acquire', 'release'].map((what) => [what, 'second']))
  await request.run('third', () => made.transaction((client) => client.query('select 1')))
  assert.deepEqual(told.splice(0), ['acquire', 'release'].map((what) => [what, 'third']))
})

ours('notices and notifications are heard in the context of the caller that has the client', async ({ pool }) => {
  const made = madeElsewhere(pool, { max: 1 })
  await made.query('select 1')
  await request.run('listener', async () => {
    const client = await made.connect()
    const heard = new Promise((resolve) => client.once('notification', () => resolve(seen())))
    const noticed = new Promise((resolve) => client.once('notice', () => resolve(seen())))
    await client.query("do $$ begin raise notice 'x'; end $$")
    assert.equal(await noticed, 'listener')
    await client.query('listen context')
    await client.query('notify context')
    assert.equal(await heard, 'listener')
    client.release()
  })
})
