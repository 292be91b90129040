'use strict'

const assert = require('node:assert/strict')
const { inspect } = require('node:util')
const { suite } = require('../../support/drivers')

// What a build imports without the environment that it runs in: the first query says what is wrong.
const { both, ours } = suite()

both('an empty environment makes a pool that nothing is wrong with but where it leads to', async ({ pool, Pool, Client, server }) => {
  for (const options of [{ connectionString: 'dummy' }, { connectionString: 'postgres://nowhere.invalid/db' }, { host: 'nowhere.invalid', port: NaN }]) {
    const made = new Pool({ retryMax: 0, ...options })
    await assert.rejects(made.query('select 1'), Error)
    await assert.rejects(made.connect(), Error)
    await made.end()
    const client = new Client({ retryMax: 0, ...options })
    client.on('error', () => {})
    await assert.rejects(client.connect(), Error)
  }
  for (const options of [{ ssl: '' }, { min: 50, max: 2 }, { idleTimeoutMillis: NaN }, { max: NaN }, { application_name: '' }, { password: '' }]) {
    const { rows } = await pool(options).query('select 1 as n')
    assert.equal(rows[0].n, 1, JSON.stringify(options))
  }
  assert.ok(server)
})

ours('a pool whose environment comes later works then', async ({ Pool, server }) => {
  const options = { connectionString: 'dummy' }
  const made = new Pool(options)
  await assert.rejects(made.query('select 1'), { kind: 'config' })
  await assert.rejects(made.transaction(() => {}), { kind: 'config' })
  assert.throws(() => made.stats(), { kind: 'config' })
  assert.equal(made.totalCount, 0)
  made.options.connectionString = server.url
  assert.equal((await made.query('select 1 as n')).rows[0].n, 1)
  await made.end()
})

both('connection strings are taken in every form that Node takes a URL in', async ({ Pool, server }) => {
  const { host, port, user, database } = server
  const forms = [
    `tcp://${user}@${host}:${port}/${database}`, `pg://${user}@${host}:${port}/${database}`, `POSTGRES://${user}@${host}:${port}/${database}`,
    `postgres://${user}@${host}:${port}/${database}\n`, `\tpostgresql://${user}@${host}:${port}/${database}`,
    `postgres://${user}:100%sure@${host}:${port}/${database}`, `postgres://${user}:50%25@${host}:${port}/${database}`,
  ]
  for (const connectionString of forms) {
    const made = new Pool({ connectionString })
    assert.equal((await made.query('select current_database() as name')).rows[0].name, database, connectionString)
    await made.end()
  }
})

both('defaults that a program sets are those of its pools and clients', async ({ Pool, Client, defaults, server }) => {
  const { host, port, user, database, application_name } = defaults
  Object.assign(defaults, { host: server.host, port: server.port, user: server.user, database: server.database, application_name: 'by default' })
  try {
    const made = new Pool()
    assert.match((await made.query("select current_setting('application_name') as name")).rows[0].name, /^by default/)
    await made.end()
    const client = new Client({ application_name: 'by option' })
    assert.equal(client.port, server.port)
    await client.connect()
    assert.match((await client.query("select current_setting('application_name') as name")).rows[0].name, /^by option/)
    await client.end()
  } finally {
    Object.assign(defaults, { host, port, user, database, application_name })
  }
})

ours('a pool, a client and an error show no password', async ({ Pool, Client, server }) => {
  const secret = 'swordfish'
  const { host, port, user, database } = server
  const given = [
    { connectionString: `postgres://${user}:${secret}@${host}:${port}/${database}` },
    { connectionString: `postgres://${host}:${port}/${database}?user=${user}&password=${secret}` },
    { connectionString: `host=${host} port=${port} user=${user} dbname=${database} password='${secret}'` },
    { ...server.config, password: secret },
  ]
  for (const options of given) {
    const pool = new Pool(options)
    const alone = new Client(options)
    await alone.connect()
    const client = await pool.connect()
    for (const each of [pool, client, alone, pool.options, { pool, client }, client.connectionParameters]) {
      for (const depth of [0, 2, Infinity]) assert.doesNotMatch(inspect(each, { depth }), /swordfish/)
    }
    if (!options.connectionString?.startsWith('host=')) assert.equal(alone.password, secret)
    assert.equal({ ...pool.options }.connectionString, options.connectionString)
    client.release()
    await alone.end()
    await pool.end()
  }
})
