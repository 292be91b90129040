'use strict'

const pgp = require('pg-promise')({ noWarnings: true })

module.exports = async (config) => {
  const db = pgp(config)
  await db.none('create table promise_things (id serial primary key, name text unique)')
  const seen = {
    inserted: await db.one('insert into promise_things(name) values($1) returning *', ['a']),
    found: await db.any('select * from promise_things where name = $<name>', { name: 'a' }),
    inTransaction: await db.tx(async (t) => {
      await t.none('insert into promise_things(name) values($1)', 'b')
      return t.one('select count(*)::int as n from promise_things')
    }),
    batch: await db.task((t) => t.batch([t.one('select 1 as a'), t.one('select 2 as b')])),
    refused: await db.none('insert into promise_things(name) values($1)', 'a').catch((error) => [error.code, error.constraint]),
    several: await db.multi('select 1 as x; select 2 as y'),
    prepared: await db.one(new pgp.PreparedStatement({ name: 'promise', text: 'select $1::int as p', values: [9] })),
  }
  await db.$pool.end()
  return seen
}
