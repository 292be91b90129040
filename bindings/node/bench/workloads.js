'use strict'

const ROWS = 10000

const SCHEMA = `
  CREATE TABLE bench (id int PRIMARY KEY, name text, email text, score float8, active bool, created timestamptz);
  INSERT INTO bench SELECT g, 'user ' || g, 'user' || g || '@example.com', g * 7.25, g % 2 = 0, now() + g * interval '1 s'
    FROM generate_series(1, ${ROWS}) g;
  CREATE TABLE bench_insert (id int, name text, at timestamptz DEFAULT now());
  VACUUM ANALYZE bench;`

const point = async (query) => {
  const id = 1 + Math.floor(Math.random() * ROWS)
  const rows = rowsOf(await query('SELECT id, name, email, score, active, created FROM bench WHERE id = $1', [id]))
  if (rows.length !== 1 || rows[0].id !== id) throw new Error(`row ${id} did not come`)
}

const large = async (query) => {
  const rows = rowsOf(await query('SELECT id, name, email, score, active, created FROM bench', []))
  if (rows.length !== ROWS || !(rows[0].created instanceof Date)) throw new Error(`${rows.length} rows came`)
}

const insert = async (query) => {
  await query('INSERT INTO bench_insert (id, name) VALUES ($1, $2)', [1, 'a name of some length'])
}

function rowsOf(result) {
  return Array.isArray(result) ? result : result.rows
}

/** What is run, and how many of it are in flight at a time. */
const WORKLOADS = [
  { name: 'point query', run: point, inFlight: 1 },
  { name: 'point query', run: point, inFlight: 8 },
  { name: 'point query', run: point, inFlight: 64 },
  { name: '10,000 x 6 rows', run: large, inFlight: 1 },
  { name: 'insert', run: insert, inFlight: 1 },
]

module.exports = { SCHEMA, WORKLOADS }
