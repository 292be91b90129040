'use strict'

const { drizzle } = require('drizzle-orm/node-postgres')
const { pgTable, serial, text, timestamp, jsonb, integer, bigint, numeric } = require('drizzle-orm/pg-core')
const { eq, sql } = require('drizzle-orm')
const { Pool } = require('pg')

const users = pgTable('drizzle_users', {
  id: serial('id').primaryKey(),
  name: text('name').notNull().unique(),
  local: timestamp('local'),
  at: timestamp('at', { withTimezone: true }),
  extra: jsonb('extra'),
  numbers: integer('numbers').array(),
  big: bigint('big', { mode: 'number' }),
  exact: numeric('exact'),
})

module.exports = async (config) => {
  const pool = new Pool(config)
  const db = drizzle(pool)
  await db.execute(sql`create table drizzle_users (id serial primary key, name text not null unique, local timestamp, at timestamptz,
    extra jsonb, numbers int[], big bigint, exact numeric)`)
  const day = new Date(Date.UTC(2020, 1, 2, 3, 4, 5))
  const full = { name: 'a', local: day, at: day, extra: { a: [1] }, numbers: [1, 2], big: 12345678901, exact: '1.50' }
  const byId = db.select().from(users).where(eq(users.id, sql.placeholder('id'))).prepare('drizzle_by_id')
  const seen = {
    inserted: await db.insert(users).values([full, { name: 'b' }]).returning(),
    found: await db.select().from(users).where(eq(users.name, 'a')),
    inTransaction: await db.transaction(async (tx) => {
      await tx.update(users).set({ name: 'c' }).where(eq(users.name, 'b'))
      return tx.select({ count: sql`count(*)` }).from(users)
    }),
    rolledBack: await db.transaction(async (tx) => {
      await tx.insert(users).values({ name: 'z' })
      tx.rollback()
    }).catch((error) => error.constructor.name),
    refused: await db.insert(users).values({ name: 'a' }).catch((error) => [error.cause.code, error.cause.constraint]),
    prepared: [await byId.execute({ id: 1 }), await byId.execute({ id: 2 })],
    raw: (await db.execute(sql`select 1 as one, now() is not null as now`)).rows,
  }
  await pool.end()
  return seen
}
