'use strict'

const { Pool } = require('pg')
const Cursor = require('pg-cursor')

module.exports = async (config) => {
  const { Kysely, PostgresDialect, sql } = await import('kysely')
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool(config), cursor: Cursor }) })
  await db.schema.createTable('kysely_things').addColumn('id', 'serial', (column) => column.primaryKey()).addColumn('name', 'text').execute()
  const streamed = []
  const seen = {
    inserted: await db.insertInto('kysely_things').values([{ name: 'x' }, { name: 'y' }]).returningAll().execute(),
    updated: String((await db.updateTable('kysely_things').set({ name: 'z' }).where('id', '=', 1).executeTakeFirst()).numUpdatedRows),
    inTransaction: await db.transaction().setIsolationLevel('serializable').execute((trx) =>
      trx.selectFrom('kysely_things').selectAll().orderBy('id').execute()),
    rolledBack: await db.transaction().execute(async (trx) => {
      await trx.insertInto('kysely_things').values({ name: 'no' }).execute()
      throw new Error('changed my mind')
    }).catch((error) => error.message),
    raw: (await sql`select count(*)::int as n from kysely_things`.execute(db)).rows,
    tables: (await db.introspection.getTables()).map(({ name }) => name).filter((name) => name.startsWith('kysely')),
    streamed,
  }
  for await (const row of db.selectFrom('kysely_things').selectAll().orderBy('id').stream(1)) streamed.push(row)
  await db.destroy()
  return seen
}
