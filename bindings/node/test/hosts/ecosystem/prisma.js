'use strict'

const { PrismaPg } = require('@prisma/adapter-pg')
const { Pool } = require('pg')

/** What Prisma's client asks of its adapter. */
module.exports = async (config, connectionString) => {
  const seen = {}
  const pool = new Pool(config)
  for (const [name, given] of Object.entries({ url: { connectionString }, pool })) {
    const adapter = await new PrismaPg(given).connect()
    const ask = (on, sql, args = [], argTypes = []) => on.queryRaw({ sql, args, argTypes })
    const run = (on, sql, args = [], argTypes = []) => on.executeRaw({ sql, args, argTypes })
    const int = { scalarType: 'int', arity: 'scalar' }
    const table = `prisma_${name}`
    await adapter.executeScript(`create table ${table} (id serial primary key, n int unique, big int8, price numeric, at timestamptz, tags text[], extra jsonb)`)
    const transaction = await adapter.startTransaction('SERIALIZABLE')
    await run(transaction, `insert into ${table} (n) values ($1)`, [9], [int])
    await transaction.executeRaw({ sql: 'ROLLBACK', args: [], argTypes: [] })
    await transaction.rollback()
    seen[name] = {
      inserted: await run(adapter, `insert into ${table} (n, big, price, at, tags, extra) values ($1, 9007199254740993, 1.50, 'epoch', '{a,b}', '{"a": 1}')`, [1], [int]),
      found: await ask(adapter, `select n, big, price, at, tags, extra from ${table}`),
      refused: await run(adapter, `insert into ${table} (n) values ($1)`, [1], [int]).catch((error) => error.cause ?? error.message),
      wrong: await ask(adapter, 'selec').catch((error) => error.cause?.originalCode ?? error.message),
      info: adapter.getConnectionInfo?.(),
    }
    await adapter.dispose()
  }
  if (!pool.ended) await pool.end()
  return seen
}
