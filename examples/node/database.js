'use strict'

// The one line that differs from the program for node-postgres.
const { Pool } = require('pg-holdfast') // was: require('pg')

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 4 })

// node-postgres ends the process if an idle client breaks and nobody listens.
pool.on('error', (error) => console.error('an idle client broke:', error.message))

const SCHEMA = `
  create table if not exists items (id int primary key, name text not null, price numeric not null, stock int not null check (stock >= 0));
  create table if not exists orders (
    id serial primary key, item int not null references items, quantity int not null check (quantity > 0), at timestamptz not null default now()
  );
  insert into items values (1, 'rope', 12.50, 10), (2, 'anchor', 99, 2) on conflict do nothing;`

module.exports = { pool, prepare: () => pool.query(SCHEMA) }
