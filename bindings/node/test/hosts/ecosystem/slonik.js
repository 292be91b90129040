'use strict'

const { createPool, sql, UniqueIntegrityConstraintViolationError } = require('slonik')

module.exports = async (_, url) => {
  const pool = await createPool(url, { maximumPoolSize: 4 })
  await pool.query(sql.unsafe`create table things (id serial primary key, name text unique, at timestamptz, big int8)`)
  const seen = {
    inserted: await pool.one(sql.unsafe`insert into things (name, at, big) values (${'a'}, to_timestamp(0), 7) returning id, name, at, big`),
    many: await pool.any(sql.unsafe`select * from ${sql.unnest([[1, 'x'], [2, 'y']], ['int4', 'text'])} as t (n, name)`),
    refused: await pool.query(sql.unsafe`insert into things (name) values (${'a'})`).catch((error) => [error instanceof UniqueIntegrityConstraintViolationError, error.constraint]),
    rolledBack: await pool.transaction(async (transaction) => {
      await transaction.query(sql.unsafe`insert into things (name) values (${'b'})`)
      throw new Error('changed my mind')
    }).catch((error) => error.message),
    counted: await pool.oneFirst(sql.unsafe`select count(*) from things`),
    atOnce: await Promise.all(Array.from({ length: 10 }, (unused, i) => pool.oneFirst(sql.unsafe`select ${i}::int`))),
  }
  const streamed = []
  await pool.stream(sql.unsafe`select generate_series(1, 3) as n`, (stream) => stream.on('data', ({ data }) => streamed.push(data)))
  seen.streamed = streamed
  await pool.end()
  return seen
}
