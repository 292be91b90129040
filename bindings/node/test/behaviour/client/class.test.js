'use strict'

const assert = require('node:assert/strict')
const { suite, sleep, until } = require('../../support/drivers')

// One class of clients, for pools and by themselves, which programs build upon as they do upon node-postgres'.
const { both, ours } = suite()

/** A client that listens for errors, so that node-postgres does not end the process, and is ended whatever happens. */
async function alone(Client, server, body, options) {
  const client = new Client({ ...server.config, ...options })
  const errors = []
  client.on('error', (error) => errors.push(error))
  try {
    return await body(client, errors)
  } finally {
    await client.end()
  }
}

both('a client of a pool and one by itself are of the one class', async ({ pool, Client, server }) => {
  const client = await pool().connect()
  assert.ok(client instanceof Client)
  client.release()
  await alone(Client, server, async (each) => {
    assert.equal(await each.connect(), each)
    assert.ok(each instanceof Client)
  })
})

both('queries that are asked for before the connection is there are run in their order', ({ Client, server }) => alone(Client, server, async (client) => {
  const order = []
  const connected = client.connect().then(() => order.push('connected'))
  const first = client.query('select 1 as n').then(({ rows }) => order.push(rows[0].n))
  const second = client.query('select $1::int as n', [2]).then(({ rows }) => order.push(rows[0].n))
  const called = new Promise((resolve, reject) => {
    client.query('select 3 as n', (error, { rows } = {}) => (error ? reject(error) : resolve(rows[0].n)))
  })
  await Promise.all([connected, first, second])
  assert.deepEqual(order, ['connected', 1, 2])
  assert.equal(await called, 3)
}))

both('queries wait for a connect() that comes later, too', ({ Client, server }) => alone(Client, server, async (client) => {
  const asked = client.query('select 1 as n')
  await client.connect()
  assert.equal((await asked).rows[0].n, 1)
}))

both('a connection that fails fails the queries that wait for it', async ({ Client }) => {
  const client = new Client({ host: '127.0.0.1', port: 1, retryMax: 0 })
  client.on('error', () => {})
  const asked = client.query('select 1')
  const connected = client.connect()
  await assert.rejects(connected, { code: 'ECONNREFUSED' })
  await assert.rejects(asked, Error)
  await client.end()
})

both('a client is connected once, and ended as often as a program likes', ({ Client, server }) => alone(Client, server, async (client) => {
  await client.connect()
  await assert.rejects(client.connect(), { message: 'Client has already been connected. You cannot reuse a client.' })
  let ends = 0
  client.on('end', () => {
    ends += 1
  })
  await client.end()
  await client.end()
  await new Promise((resolve) => client.end(resolve))
  await until('the end is told', () => ends > 0)
  assert.equal(ends, 1)
  await assert.rejects(client.query('select 1'), { message: 'Client was closed and is not queryable' })
}))

both('a client that was never connected is ended at once', async ({ Client, server }) => {
  const client = new Client(server.config)
  await client.end()
  await new Promise((resolve) => client.end(resolve))
})

both("'error' with the server's code and 'end' are told when the server ends a client", ({ Client, server, pool }) => alone(Client, server, async (client, errors) => {
  await client.connect()
  let ended = false
  client.on('end', () => {
    ended = true
  })
  const { rows: [{ pid }] } = await client.query('select pg_backend_pid() as pid')
  await pool({ max: 1 }).query('select pg_terminate_backend($1)', [pid])
  await until('the end is told', () => ended)
  assert.equal(errors[0].code, '57P01')
  await assert.rejects(client.query('select 1'), { message: 'Client has encountered a connection error and is not queryable' })
}))

both('an idle client of a pool that the server ends is told with its code', async ({ pool }) => {
  const made = pool({ max: 1 })
  const errors = []
  made.on('error', (error, client) => errors.push([error.code, client.processID]))
  const client = await made.connect()
  const pid = client.processID
  client.release()
  await pool({ max: 1 }).query('select pg_terminate_backend($1)', [pid])
  // Longer than a session may be idle until it is validated before its next use.
  await sleep(600)
  await made.query('select 1')
  await until('it is told', () => errors.length > 0)
  assert.deepEqual(errors, [['57P01', pid]])
})

both('names and literals are quoted before there is a connection, and without a client', ({ Client }) => {
  const client = new Client()
  for (const each of [client, Client.prototype]) {
    assert.equal(each.escapeIdentifier('a"b'), '"a""b"')
    assert.equal(each.escapeLiteral("it's"), "'it''s'")
  }
})

both('the pool makes clients of a class that the program gives, and connects them by its connect()', async ({ pool, Client }) => {
  class TenantClient extends Client {
    connect(callback) {
      super.connect((error) => {
        if (error) return callback(error)
        return this.query("set app.tenant = 'shop'", (failure) => callback(failure))
      })
    }
  }
  const made = pool({ Client: TenantClient, max: 1 })
  const { rows } = await made.query("select current_setting('app.tenant', true) as tenant")
  assert.equal(rows[0].tenant, 'shop')
  const client = await made.connect()
  assert.ok(client instanceof TenantClient)
  client.release()
})

both('a query() that was put on the prototype sees the queries of clients and of pools', async ({ pool, Client, server }) => {
  const { query } = Client.prototype
  const texts = []
  Client.prototype.query = function traced(...given) {
    texts.push(given[0].text ?? given[0])
    return query.apply(this, given)
  }
  try {
    const made = pool({ max: 1 })
    assert.equal((await made.query('select 1 as n')).rows[0].n, 1)
    assert.equal((await made.query({ text: 'select $1::int as n', values: [2] })).rows[0].n, 2)
    await new Promise((resolve, reject) => made.query('select 3', (error) => (error ? reject(error) : resolve())))
    await alone(Client, server, async (client) => {
      await client.connect()
      await client.query('select 4')
    })
  } finally {
    Client.prototype.query = query
  }
  assert.deepEqual(texts, ['select 1 as n', 'select $1::int as n', 'select 3', 'select 4'])
})

both('the connect() of a class of pools is not passed by', async ({ Pool, server }) => {
  class TenantPool extends Pool {
    connect(callback) {
      return super.connect((error, client, release) => {
        if (error) return callback(error)
        return client.query("set app.tenant = 'shop'", (failure) => callback(failure, client, release))
      })
    }
  }
  const made = new TenantPool({ ...server.config, max: 1 })
  const { rows } = await made.query("select current_setting('app.tenant', true) as tenant")
  assert.equal(rows[0].tenant, 'shop')
  await made.end()
})

ours('nor is it by a transaction, or where it answers by a promise', async ({ Pool, server }) => {
  class TenantPool extends Pool {
    async connect() {
      const client = await super.connect()
      await client.query("set app.tenant = 'shop'")
      return client
    }
  }
  const made = new TenantPool({ ...server.config, max: 1 })
  const text = "select current_setting('app.tenant', true) as tenant"
  assert.equal((await made.transaction((client) => client.query(text))).rows[0].tenant, 'shop')
  await made.query("set app.tenant = 'other'")
  assert.equal((await made.query(text)).rows[0].tenant, 'shop')
  await made.end()
})

both('a Query tells of its rows, its end and its error', async ({ pool, Query }) => {
  const client = await pool().connect()
  const rows = []
  const query = new Query('select generate_series(1, $1::int) as n', [3])
  assert.equal(client.query(query), query)
  query.on('row', (row) => rows.push(row.n))
  const result = await new Promise((resolve, reject) => query.on('end', resolve).on('error', reject))
  assert.deepEqual(rows, [1, 2, 3])
  assert.equal(result.command, 'SELECT')
  assert.deepEqual(result.rows, [])
  const failed = client.query(new Query('selec'))
  assert.equal((await new Promise((resolve) => failed.on('error', resolve))).code, '42601')
  const called = await new Promise((resolve, reject) => client.query(new Query('select 5 as n', (error, each) => (error ? reject(error) : resolve(each)))))
  assert.equal(called.rows[0].n, 5)
  client.release()
})

ours('a cursor may be handed to a client before it is connected', ({ Client, server }) => alone(Client, server, async (client) => {
  const Cursor = require('pg-cursor')
  const before = client.query('select 1 as n')
  const cursor = client.query(new Cursor('select generate_series(1, 3) as n'))
  const after = client.query('select 2 as n')
  await client.connect()
  assert.equal((await before).rows[0].n, 1)
  assert.deepEqual((await cursor.read(10)).map(({ n }) => n), [1, 2, 3])
  await cursor.close()
  assert.equal((await after).rows[0].n, 2)
}))
