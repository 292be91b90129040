'use strict'

const assert = require('node:assert/strict')
const { suite, until } = require('../../support/drivers')

// What a program does once for each session is done before anything uses it, whatever that is.
const { both, ours } = suite()

const USES = {
  query: (made) => made.query("select current_setting('app.tenant', true) as tenant"),
  connect: async (made) => {
    const client = await made.connect()
    try {
      return await client.query("select current_setting('app.tenant', true) as tenant")
    } finally {
      client.release()
    }
  },
  transaction: (made) => made.transaction((client) => client.query("select current_setting('app.tenant', true) as tenant"), { isolation: 'serializable', readOnly: true }),
  iterate: async (made) => {
    const rows = []
    for await (const row of made.iterate("select current_setting('app.tenant', true) as tenant")) rows.push(row)
    return { rows }
  },
}

for (const [name, use] of Object.entries(USES)) {
  const assertOnce = async (made, count) => {
    assert.equal((await use(made)).rows[0].tenant, 'shop')
    for (const again of Object.values(USES)) assert.equal((await again(made)).rows[0].tenant, 'shop')
    assert.equal(count(), 1)
  }

  ours(`onConnect runs once for a session that ${name} is the first to use`, async ({ pool }) => {
    let count = 0
    const made = pool({
      max: 1,
      onConnect: (client) => {
        count += 1
        return client.query("set app.tenant = 'shop'")
      },
    })
    await assertOnce(made, () => count)
  })

  ours(`'connect' is told once for a session that ${name} is the first to use`, async ({ pool }) => {
    const clients = []
    const made = pool({ max: 1 })
    made.on('connect', (client) => {
      clients.push(client)
      client.query("set app.tenant = 'shop'")
    })
    await assertOnce(made, () => clients.length)
  })
}

ours('what onConnect sets outlives a transaction that is rolled back, and the transaction is as it was asked for', async ({ pool }) => {
  const made = pool({ max: 1, onConnect: (client) => client.query("begin; set app.tenant = 'shop'; commit") })
  const shown = await made.transaction(async (client) => {
    const { rows } = await client.query("select current_setting('transaction_isolation') as isolation, current_setting('transaction_read_only') as read_only")
    return rows[0]
  }, { isolation: 'repeatable read', readOnly: true, resolveCommit: true }).catch((error) => error)
  assert.deepEqual({ ...shown }, { isolation: 'repeatable read', read_only: 'on' })
  await assert.rejects(made.transaction(() => {
    throw new Error('no')
  }), { message: 'no' })
  assert.equal((await made.query("select current_setting('app.tenant') as tenant")).rows[0].tenant, 'shop')
})

ours('a transaction fails with what onConnect fails with, and its session is not used without the hook', async ({ pool }) => {
  let calls = 0
  const made = pool({
    max: 1,
    onConnect: async (client) => {
      calls += 1
      if (calls === 1) throw new Error('not yet')
      await client.query("set app.tenant = 'shop'")
    },
  })
  await assert.rejects(made.transaction((client) => client.query('select 1')), { message: 'not yet' })
  assert.equal((await made.query("select current_setting('app.tenant', true) as tenant")).rows[0].tenant, 'shop')
  assert.equal(calls, 2)
})

both("'remove' is told for a session that was opened before anyone listened", async ({ pool, server }) => {
  const made = pool({ max: 1 })
  made.on('error', () => {})
  const { rows: [{ pid }] } = await made.query('select pg_backend_pid() as pid')
  const removed = []
  made.on('remove', (client) => removed.push(client.processID))
  const other = pool({ max: 1 })
  await other.query('select pg_terminate_backend($1)', [pid])
  await until('the session is removed', async () => {
    await made.query('select 1').catch(() => {})
    return removed.length > 0
  })
  assert.deepEqual(removed, [pid])
  assert.ok(server)
})
