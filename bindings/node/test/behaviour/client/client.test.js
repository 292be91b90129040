'use strict'

const assert = require('node:assert/strict')
const { suite, sleep, until } = require('../../support/drivers')

const { both, ours } = suite()

/** A client that is released whatever happens. */
async function withClient(pool, body) {
  const client = await pool.connect()
  let released = false
  const { release } = client
  client.release = (error) => {
    released = true
    release(error)
  }
  try {
    return await body(client)
  } finally {
    if (!released) client.release()
  }
}

both('a client shows where it leads to', ({ pool, server }) => withClient(pool(), async (client) => {
  assert.equal(client.user, server.user)
  assert.equal(client.database, server.database)
  assert.equal(client.host, server.host)
  assert.equal(client.port, server.port)
  const { rows } = await client.query('select pg_backend_pid() as pid')
  assert.equal(client.processID, rows[0].pid)
}))

both('queries on one client are done in their order', ({ pool }) => withClient(pool(), async (client) => {
  await client.query('create temp table t (n int)')
  const all = [1, 2, 3].map((n) => client.query('insert into t values ($1)', [n]))
  const rows = client.query('select array_agg(n) as seen from t')
  await Promise.all(all)
  assert.deepEqual((await rows).rows[0].seen, [1, 2, 3])
}))

both('a query on a client can have a callback', ({ pool }) => withClient(pool(), (client) => new Promise((resolve, reject) => {
  const returned = client.query('select $1::int as v', [7], (error, result) => {
    if (error) return reject(error)
    assert.equal(result.rows[0].v, 7)
    return resolve()
  })
  assert.equal(returned, undefined)
})))

both('null as a query throws at once', ({ pool }) => withClient(pool(), (client) => {
  assert.throws(() => client.query(null), { name: 'TypeError', message: 'Client was passed a null or undefined query' })
}))

both('a transaction by hand commits, or rolls back', async ({ pool }) => {
  const made = pool()
  await made.query('create table if not exists by_hand (n int)')
  await made.query('truncate by_hand')
  await withClient(made, async (client) => {
    await client.query('BEGIN')
    await client.query('insert into by_hand values (1)')
    await client.query('COMMIT')
    await client.query('BEGIN')
    await client.query('insert into by_hand values (2)')
    await client.query('ROLLBACK')
  })
  assert.deepEqual((await made.query('select n from by_hand')).rows.map(({ n }) => n), [1])
})

both('the state of the transaction is known', ({ pool }) => withClient(pool(), async (client) => {
  await client.query('select 1')
  assert.equal(client.getTransactionStatus(), 'I')
  await client.query('begin')
  assert.equal(client.getTransactionStatus(), 'T')
  await assert.rejects(client.query('selec'))
  // node-postgres rejects before it has read the state.
  await until('the transaction is known to have failed', () => client.getTransactionStatus() === 'E')
  await client.query('rollback')
  assert.equal(client.getTransactionStatus(), 'I')
}))

both('notices are told with their fields', ({ pool }) => withClient(pool(), async (client) => {
  const notices = []
  client.on('notice', (notice) => notices.push(notice))
  await client.query("do $$ begin raise warning 'mind this' using hint = 'a hint'; end $$")
  assert.equal(notices.length, 1)
  const { message, severity, code, hint, name } = notices[0]
  assert.deepEqual({ message, severity, code, hint, name }, { message: 'mind this', severity: 'WARNING', code: '01000', hint: 'a hint', name: 'notice' })
}))

both('notifications are told while the client does nothing', async ({ pool }) => {
  const made = pool()
  await withClient(made, async (client) => {
    const told = []
    client.on('notification', (message) => told.push(message))
    await client.query('listen news')
    await made.query("select pg_notify('news', 'it is here')")
    await until('the notification is told', () => told.length > 0)
    assert.equal(told[0].channel, 'news')
    assert.equal(told[0].payload, 'it is here')
    assert.equal(typeof told[0].processId, 'number')
    client.removeAllListeners('notification')
    await client.query('unlisten *')
  })
})

both('names and texts are quoted', ({ pool, escapeIdentifier, escapeLiteral }) => withClient(pool(), (client) => {
  assert.equal(client.escapeIdentifier('a"b'), '"a""b"')
  assert.equal(client.escapeLiteral("it's \\"), " E'it''s \\\\'")
  assert.equal(escapeIdentifier('a"b'), '"a""b"')
  assert.equal(escapeLiteral('x'), "'x'")
}))

both('a client has type parsers of its own', async ({ pool }) => {
  const made = pool({ max: 2 })
  await withClient(made, async (client) => {
    client.setTypeParser(23, (value) => `own ${value}`)
    assert.equal((await client.query('select 1 as v')).rows[0].v, 'own 1')
    assert.equal(client.getTypeParser(23)('2'), 'own 2')
  })
})

both('a client whose session was ended says so, and the pool goes on', async ({ pool }) => {
  const made = pool({ max: 2 })
  made.on('error', () => {})
  await withClient(made, async (client) => {
    const errors = []
    client.on('error', (error) => errors.push(error))
    await made.query('select pg_terminate_backend($1)', [client.processID])
    await until('the client is told', () => errors.length > 0)
    await assert.rejects(client.query('select 1'), { message: 'Client has encountered a connection error and is not queryable' })
    client.release()
  })
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})

both('a query under which its session is ended fails', async ({ pool }) => {
  const made = pool({ max: 2 })
  made.on('error', () => {})
  await withClient(made, async (client) => {
    client.on('error', () => {})
    const failing = assert.rejects(client.query('select pg_sleep(20)'), (error) => error.code === '57P01' || /terminated/.test(error.message))
    await sleep(100)
    await made.query('select pg_terminate_backend($1)', [client.processID])
    await failing
    client.release(true)
  })
})

both("a client ended by hand tells 'end' and is dropped when released", async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  const ended = new Promise((resolve) => client.once('end', resolve))
  await client.end()
  await ended
  await assert.rejects(client.query('select 1'), { message: 'Client was closed and is not queryable' })
  client.release()
  assert.equal(made.totalCount, 0)
})

both('a client without a pool connects, queries and ends', async ({ Client, server }) => {
  const client = new Client(server.config)
  await client.connect()
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
  await assert.rejects(client.connect(), { message: 'Client has already been connected. You cannot reuse a client.' })
  await client.end()
})

ours('a client that was given back cannot be used any more', async ({ pool }) => {
  const made = pool()
  const client = await made.connect()
  client.release()
  await assert.rejects(client.query('select 1'), /given back to its pool/)
})

ours('a transaction left open is rolled back at release', async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  await client.query('begin')
  await client.query('create table left_open (n int)')
  client.release()
  assert.equal((await made.query("select to_regclass('left_open') as found")).rows[0].found, null)
})

ours('a lost client nobody listens to does not end the process', async ({ pool }) => {
  const made = pool({ max: 2 })
  const client = await made.connect()
  await made.query('select pg_terminate_backend($1)', [client.processID])
  await assert.rejects(client.query('select 1'))
  client.release()
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})

ours('await using gives a client back', async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  await client[Symbol.asyncDispose]()
  assert.equal(made.idleCount, 1)
})

both('notifications are told whether they come while the client does nothing, runs a query, or between two', async ({ pool }) => {
  const made = pool()
  const client = await made.connect()
  const told = []
  client.on('notification', ({ payload }) => told.push(payload))
  await client.query('listen news')
  const sent = []
  const send = async (payload) => {
    sent.push(payload)
    await made.query("select pg_notify('news', $1)", [payload])
  }
  for (let round = 0; round < 5; round++) {
    await send(`idle ${round}`)
    await until('it is told', () => told.length === sent.length)
    const running = client.query('select pg_sleep(0.05)')
    await send(`running ${round}`)
    await running
    for (let i = 0; i < 5; i++) await Promise.all([client.query('select 1'), send(`between ${round} ${i}`)])
    await until('those are told', () => told.length === sent.length)
  }
  assert.deepEqual(told, sent)
  client.release(true)
})

ours('a client hears notifications also where its socket cannot be waited for', async ({ pool }) => {
  const { addon } = require('../../../lib/native')
  const wait = addon.awaitReadable
  addon.awaitReadable = () => false
  try {
    const made = pool()
    const client = await made.connect()
    const told = []
    client.on('notification', ({ payload }) => told.push(payload))
    await client.query('listen crowded')
    await made.query("notify crowded, 'all the same'")
    await until('it hears that', () => told.length === 1)
    client.release()
  } finally {
    addon.awaitReadable = wait
  }
})

ours('a client that listens and hears nothing costs nothing', async ({ pool }) => {
  const client = await pool().connect()
  const told = []
  client.on('notification', ({ payload }) => told.push(payload))
  await client.query('listen nothing')
  await sleep(200)
  const { addon } = require('../../../lib/native')
  const looked = addon.notification
  let looks = 0
  addon.notification = (handle) => {
    looks += 1
    return looked(handle)
  }
  try {
    await sleep(300)
    assert.equal(looks, 0)
    await client.query("notify nothing, 'something'")
    await until('it hears that', () => told.length === 1)
    assert.ok(looks > 0)
  } finally {
    addon.notification = looked
  }
  client.release()
})
