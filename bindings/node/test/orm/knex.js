'use strict'

module.exports = async (connection) => {
  const knex = require('knex')({ client: 'pg', connection, pool: { min: 0, max: 4 } })
  const things = () => knex('knex_things')
  await knex.schema.createTable('knex_things', (table) => {
    table.increments()
    table.string('name').unique()
    table.jsonb('extra')
    table.timestamps(true, true)
  })
  const streamed = []
  const seen = {
    inserted: await things().insert([{ name: 'a', extra: JSON.stringify({ a: 1 }) }, { name: 'b' }], ['id', 'name', 'extra']),
    found: await things().where({ name: 'a' }).select('id', 'name'),
    inTransaction: await knex.transaction(async (trx) => {
      await trx('knex_things').update({ name: 'c' }).where({ id: 2 })
      return trx('knex_things').count()
    }),
    rolledBack: await knex.transaction(async (trx) => {
      await trx('knex_things').insert({ name: 'q' })
      throw new Error('changed my mind')
    }).catch((error) => error.message),
    refused: await things().insert({ name: 'a' }).catch((error) => [error.code, error.constraint]),
    raw: (await knex.raw('select ?::int as n', [5])).rows,
    many: await Promise.all(Array.from({ length: 10 }, (_, i) =>
      knex.raw('select pg_sleep(0.01), ?::int as i', [i]).then(({ rows }) => rows[0].i))),
    streamed,
  }
  for await (const row of things().select('name').orderBy('id').stream()) streamed.push(row)
  seen.cancelled = await knex.raw('select pg_sleep(5)').timeout(100, { cancel: true }).catch((error) => error.name)
  await knex.destroy()
  return seen
}
