'use strict'

const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')
const QueryStream = require('pg-query-stream')
const { from, to } = require('pg-copy-streams')

module.exports = async (config) => {
  const seen = {}
  const pool = new Pool(config)
  const client = await pool.connect()
  seen.isClient = client instanceof Client
  await client.query('create temp table things (id int, name text)')
  await pipeline(Readable.from(Array.from({ length: 5000 }, (_, i) => `${i}\tname ${i}\n`)), client.query(from('copy things from stdin')))
  let bytes = 0
  await pipeline(client.query(to('copy things to stdout')), async (chunks) => {
    for await (const chunk of chunks) bytes += chunk.length
  })
  seen.bytes = bytes
  let sum = 0
  for await (const { id } of client.query(new QueryStream('select id from things order by id', [], { batchSize: 100 }))) sum += id
  seen.sum = sum
  const cursor = client.query(new Cursor('select name from things order by id'))
  seen.first = await cursor.read(2)
  await cursor.close()
  seen.wrong = await new Promise((resolve) => client.query(new Cursor('selec')).read(1, (error) => resolve(error.code)))
  client.release()
  await pool.end()
  return seen
}
