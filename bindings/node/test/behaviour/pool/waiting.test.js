'use strict'

const assert = require('node:assert/strict')
const net = require('node:net')
const { startServer } = require('../../support/server')
const { suite, sleep } = require('../../support/drivers')

// How long a request waits for a connection: on a server that is frozen, away or full, and in the pool's own queue.
const { both, ours } = suite(() => startServer({ max_connections: 20 }))

/** A server that takes connections and never answers. */
async function withFrozen(body) {
  const sockets = new Set()
  const server = net.createServer((socket) => sockets.add(socket.on('error', () => {})))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await body({ host: '127.0.0.1', port: server.address().port })
  } finally {
    for (const each of sockets) each.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

/** The error of what must fail, and after how many milliseconds. */
async function failure(promise) {
  const begun = performance.now()
  const error = await promise.then(() => assert.fail('it went well'), (each) => each)
  return { error, took: performance.now() - begun }
}

const WAYS = {
  query: (pool) => pool.query('select 1'),
  script: (pool) => pool.query('select 1; select 2'),
  connect: (pool) => pool.connect(),
}

both('connectionTimeoutMillis is the limit of the whole on a server that is frozen', async ({ pool }) => {
  for (const [name, run] of Object.entries(WAYS)) {
    // Each one of its own: what one request has found out of a server is told to others that may not try again.
    await withFrozen(async (frozen) => {
      const { error, took } = await failure(run(pool({ ...frozen, ssl: false, connectionTimeoutMillis: 1000 })))
      assert.match(error.message, /^(Connection terminated due to connection timeout|timeout exceeded when trying to connect)$/)
      assert.ok(took >= 900 && took < 2500, `${name} took ${took} ms`)
    })
  }
})

ours('it is the limit of the wait for a transaction, too, and each way of connection in the queue', async ({ pool }) => {
  const made = pool({ max: 1, connectionTimeoutMillis: 400 })
  const client = await made.connect()
  for (const [name, run] of Object.entries({ ...WAYS, transaction: (each) => each.transaction(() => {}) })) {
    const { error, took } = await failure(run(made))
    assert.equal(error.message, 'timeout exceeded when trying to connect', name)
    // Node's timers count from when their turn of the loop began.
    assert.ok(took >= 300 && took < 2500, `${name} took ${took} ms`)
  }
  client.release()
})

ours('without an option a frozen server holds a request for eight seconds', ({ pool }) => withFrozen(async (frozen) => {
  const { took } = await failure(pool({ ...frozen, ssl: false }).query('select 1'))
  assert.ok(took >= 7500 && took < 9900, `it took ${took} ms`)
}))

ours('connectionTimeout is the limit of one attempt, of which there are as many as retryMax says', ({ pool }) => withFrozen(async (frozen) => {
  const { error, took } = await failure(pool({ ...frozen, ssl: false, connectionTimeout: 500, retryMax: 2, retryBaseDelay: 10 }).query('select 1'))
  // Two time-outs in a row may declare an outage: then the last attempt waits for the probe of it instead.
  assert.ok([2, 3].includes(error.attempts.length), error.message)
  // Beyond what one attempt may take.
  assert.ok(took >= 900, `it took ${took} ms: ${error.summary}`)
}))

for (const away of [2000, 5000]) {
  ours(`an outage of ${away / 1000} s fails nobody who may wait for 8 s`, async ({ pool, server }) => {
    const pools = [pool({ connectionTimeoutMillis: 8000 }), pool({})]
    server.stop()
    const waiting = pools.flatMap((each) => [each.query('select 1 as one'), each.transaction(async (client) => client.query('select 1 as one'))])
    await sleep(away)
    server.start()
    for (const { rows } of await Promise.all(waiting)) assert.deepEqual(rows, [{ one: 1 }])
  })
}

ours('an outage that lasts longer ends with its cause within the limit', async ({ pool }) => {
  const { error, took } = await failure(pool({ port: 1, connectionTimeoutMillis: 2000 }).query('select 1'))
  assert.equal(error.code, 'ECONNREFUSED')
  assert.ok(took < 4000, `it took ${took} ms`)
})

ours('a limit that is none is refused by name', ({ Pool }) => {
  for (const connectionTimeoutMillis of ['soon', -1]) {
    assert.throws(() => new Pool({ connectionTimeoutMillis }), /connectionTimeoutMillis must be a number from 0 on, not ("soon"|-1): give milliseconds/)
  }
})
