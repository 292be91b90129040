'use strict'

const assert = require('node:assert/strict')
const Cursor = require('pg-cursor')
const QueryStream = require('pg-query-stream')
const { suite, until } = require('../../support/drivers')

// What other packages read large results with: their objects are handed to client.query().
const { both, ours } = suite()

const NUMBERS = 'select i from generate_series(1, $1::int) i'

async function withClient(pool, body) {
  const client = await pool.connect()
  try {
    await body(client)
  } finally {
    client.release()
  }
}

both('a cursor reads portions, and nothing at the end', ({ pool }) => withClient(pool(), async (client) => {
  const cursor = client.query(new Cursor(NUMBERS, [5]))
  assert.deepEqual(await cursor.read(2), [{ i: 1 }, { i: 2 }])
  assert.deepEqual(await cursor.read(2), [{ i: 3 }, { i: 4 }])
  assert.deepEqual(await cursor.read(2), [{ i: 5 }])
  assert.deepEqual(await cursor.read(2), [])
  assert.deepEqual(await cursor.read(2), [], 'it stays so')
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
}))

both('a cursor tells of its end once', ({ pool }) => withClient(pool(), async (client) => {
  const cursor = client.query(new Cursor(NUMBERS, [3]))
  let ends = 0
  cursor.on('end', () => ends++)
  await cursor.read(10)
  await cursor.close()
  await until('it is told', () => ends > 0)
  await client.query('select 1')
  assert.equal(ends, 1)
}))

both('a cursor answers callbacks, with fields, and rows as arrays if asked for', ({ pool }) => withClient(pool(), async (client) => {
  const cursor = client.query(new Cursor('select i, i * 2 as twice from generate_series(1, 3) i', [], { rowMode: 'array' }))
  const seen = []
  const emitted = []
  cursor.on('row', (row) => emitted.push(row))
  const read = () => new Promise((resolve, reject) => {
    cursor.read(2, (error, rows, result) => {
      if (error) reject(error)
      else resolve(seen.push(rows, result.fields.map(({ name }) => name)))
    })
  })
  await read()
  await read()
  assert.deepEqual(seen, [[[1, 2], [2, 4]], ['i', 'twice'], [[3, 6]], ['i', 'twice']])
  assert.deepEqual(emitted, [[1, 2], [2, 4], [3, 6]])
  await cursor.close()
}))

both('a cursor that is closed before its end leaves the client to others', ({ pool }) => withClient(pool(), async (client) => {
  const cursor = client.query(new Cursor(NUMBERS, [1_000_000]))
  assert.equal((await cursor.read(10)).length, 10)
  await cursor.close()
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
  await new Promise((resolve) => cursor.close(resolve))
}))

ours('the statement after a closed cursor finds the client free, each time', async ({ pool }) => {
  const made = pool({ max: 4 })
  // The thread that read the last portion let go of the cursor only after it had told of it: a matter of microseconds.
  const one = () => withClient(made, async (client) => {
    const cursor = client.query(new Cursor(NUMBERS, [20_000]))
    await cursor.read(10)
    await cursor.close()
    assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
  })
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let i = 0; i < 100; i++) await one()
  }))
})

both('queries that are asked for while a cursor reads run after it, in their order', ({ pool }) => withClient(pool(), async (client) => {
  const order = []
  const before = client.query('select pg_sleep(0.05)').then(() => order.push('before'))
  const cursor = client.query(new Cursor(NUMBERS, [3]))
  const first = client.query('select 1').then(() => order.push('first'))
  const second = client.query('select 2').then(() => order.push('second'))
  assert.equal((await cursor.read(2)).length, 2)
  order.push('read')
  assert.equal((await cursor.read(2)).length, 1)
  await Promise.all([before, first, second])
  assert.deepEqual(order, ['before', 'read', 'first', 'second'])
}))

both('a statement that fails is told to the reader, and the client goes on', ({ pool }) => withClient(pool(), async (client) => {
  const broken = client.query(new Cursor('selec 1'))
  await assert.rejects(broken.read(1), { code: '42601' })
  await assert.rejects(broken.read(1), { code: '42601' })
  const late = client.query(new Cursor('select 1 / (3 - i) as q from generate_series(1, 10) i'))
  assert.equal((await late.read(2)).length, 2)
  await assert.rejects(late.read(2), { code: '22012' })
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
}))

both('a stream has all rows, whatever its size of portions', ({ pool }) => withClient(pool(), async (client) => {
  for (const batchSize of [1, 7, 100, 1000]) {
    const stream = client.query(new QueryStream(NUMBERS, [300], { batchSize }))
    let sum = 0
    for await (const row of stream) sum += row.i
    assert.equal(sum, 45150)
  }
}))

both('a stream that is left early, or fails, leaves the client to others', ({ pool }) => withClient(pool(), async (client) => {
  for await (const row of client.query(new QueryStream(NUMBERS, [100_000]))) if (row.i === 5) break
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
  await assert.rejects(async () => {
    for await (const row of client.query(new QueryStream('select 1 / (3 - i) as q from generate_series(1, 10) i'))) assert.ok(row)
  }, { code: '22012' })
  assert.equal((await client.query('select 1 as one')).rows[0].one, 1)
}))

both('a stream parses types as it is told to', ({ pool }) => withClient(pool(), async (client) => {
  const types = { getTypeParser: () => (text) => `<${text}>` }
  const rows = []
  for await (const row of client.query(new QueryStream('select 1::int8 as n, $1::text as t', ['x'], { types }))) rows.push(row)
  assert.deepEqual(rows, [{ n: '<1>', t: '<x>' }])
}))

ours('several that are asked for at once take turns, and iterate() is one of them', ({ pool }) => withClient(pool(), async (client) => {
  const sum = async (rows) => {
    let all = 0
    for await (const { i } of rows) all += i
    return all
  }
  const sums = await Promise.all([
    sum(client.iterate(NUMBERS, [100], { batchSize: 10 })), client.query('select 1'), sum(client.query(new QueryStream(NUMBERS, [10]))),
    client.query('select 2'), sum(client.iterate(NUMBERS, [100], { batchSize: 7 })),
  ])
  assert.deepEqual([sums[0], sums[2], sums[4]], [5050, 55, 5050])
}))

ours('a client that goes back with an open cursor is clean for the next', async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  const cursor = client.query(new Cursor(NUMBERS, [1_000_000]))
  await cursor.read(10)
  const waiting = client.query('select 1')
  client.release()
  await assert.rejects(waiting, /given back/)
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
  assert.deepEqual(await cursor.read(10), [])
})

ours('a client that is watched for notifications reads a large result all the same', ({ pool }) => withClient(pool(), async (client) => {
  const heard = []
  client.on('error', (error) => heard.push(error))
  client.on('notification', ({ payload }) => heard.push(payload))
  await client.query('listen cursors')
  let rows = 0
  for await (const row of client.iterate('select i, pg_sleep(0.001) from generate_series(1, 100) i', [], { batchSize: 10 })) rows += row.i > 0
  assert.equal(rows, 100)
  await client.query("notify cursors, 'after'")
  await until('it is told', () => heard.length > 0)
  assert.deepEqual(heard, ['after'])
  client.removeAllListeners('notification')
}))

ours('a pool refuses cursors, and says what to use', async ({ pool }) => {
  await assert.rejects(pool().query(new Cursor(NUMBERS, [1])), /use client\.query\(\), or pool\.iterate\(\)/)
})

ours('other objects with submit() are refused with what to use instead', ({ pool }) => withClient(pool(), (client) => {
  assert.throws(() => client.query({ submit() {}, text: 'copy x from stdin' }), /give a text and values instead/)
}))
