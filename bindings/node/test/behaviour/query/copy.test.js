'use strict'

const assert = require('node:assert/strict')
const { Readable, Writable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const { from, to, both: bothWays } = require('pg-copy-streams')
const { suite } = require('../../support/drivers')

// pg-copy-streams: the same streams on clients of both packages.
const { both, ours } = suite()

async function withTable(pool, body) {
  const client = await pool({ max: 2 }).connect()
  try {
    await client.query('create temp table items (id int primary key, name text)')
    return await body(client)
  } finally {
    client.release(true)
  }
}

/** Lines of a table, in pieces that are cut anywhere. */
function* lines(count) {
  for (let i = 1; i <= count; i++) {
    yield `${i}\tna`
    yield `me ${i}\n`
  }
}

const count = async (client) => (await client.query('select count(*)::int as count from items')).rows[0].count

both('rows are copied into a table, and counted', ({ pool }) => withTable(pool, async (client) => {
  const stream = client.query(from('copy items from stdin'))
  await pipeline(Readable.from(lines(20_000)), stream)
  assert.equal(stream.rowCount, 20_000)
  assert.equal(await count(client), 20_000)
  assert.equal((await client.query('select name from items where id = 77')).rows[0].name, 'name 77')
}))

both('rows are copied out of a table, and counted', ({ pool }) => withTable(pool, async (client) => {
  await client.query("insert into items select i, 'name ' || i from generate_series(1, 30000) i")
  const stream = client.query(to('copy items to stdout'))
  const chunks = []
  await pipeline(stream, new Writable({
    write(chunk, encoding, callback) {
      chunks.push(chunk)
      setImmediate(callback)
    },
  }))
  const text = Buffer.concat(chunks).toString()
  assert.equal(text.split('\n').length, 30_001)
  assert.equal(text.split('\n')[76], '77\tname 77')
  assert.equal(stream.rowCount, 30_000)
  assert.equal(await count(client), 30_000)
}))

both('data that the server refuses fails the stream, and nothing of it stays', ({ pool }) => withTable(pool, async (client) => {
  await assert.rejects(pipeline(Readable.from(['1\tone\n', 'two\ttwo\n']), client.query(from('copy items from stdin'))), { code: '22P02' })
  assert.equal(await count(client), 0)
}))

both('a statement that the server refuses fails the stream', ({ pool }) => withTable(pool, async (client) => {
  await assert.rejects(pipeline(client.query(to('copy nothing to stdout')), new Writable({ write: (chunk, encoding, callback) => callback() })), { code: '42P01' })
  assert.equal(await count(client), 0)
}))

ours('a source that fails gives the copy up', ({ pool }) => withTable(pool, async (client) => {
  async function* broken() {
    yield '1\tone\n'
    throw new Error('the source broke')
  }
  await assert.rejects(pipeline(Readable.from(broken()), client.query(from('copy items from stdin'))), { message: 'the source broke' })
  assert.equal(await count(client), 0)
}))

ours('a reader that goes away gives the rest up, and queries behind it are run', ({ pool }) => withTable(pool, async (client) => {
  await client.query("insert into items select i, repeat('x', 1000) from generate_series(1, 20000) i")
  const stream = client.query(to('copy items to stdout'))
  const behind = count(client)
  for await (const chunk of stream) {
    assert.ok(chunk.length > 0)
    break
  }
  assert.equal(await behind, 20_000)
}))

ours('a copy that is given up while it is opened or read leaves the client to the queries behind it', ({ pool }) => withTable(pool, async (client) => {
  await client.query("insert into items select i, repeat('x', 1000) from generate_series(1, 5000) i")
  for (let i = 0; i < 20; i++) {
    const out = client.query(to('copy items to stdout'))
    if (i % 2 === 0) out.read(0)
    if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, i))
    out.destroy()
    const into = client.query(from('copy items from stdin'))
    into.on('error', () => {})
    into.write('100000\tgiven up\n')
    into.destroy()
    assert.equal(await count(client), 5000)
  }
}))

ours('the server is held back while nothing is read', ({ pool }) => withTable(pool, async (client) => {
  await client.query("insert into items select i, repeat('x', 10000) from generate_series(1, 20000) i")
  const before = process.memoryUsage().rss
  const stream = client.query(to('copy items to stdout'))
  stream.read(0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.ok(process.memoryUsage().rss - before < 100e6)
  stream.destroy()
}))

ours('a copy both ways is refused', ({ pool }) => withTable(pool, async (client) => {
  assert.throws(() => client.query(bothWays('start_replication')), /give a text and values instead/)
}))
