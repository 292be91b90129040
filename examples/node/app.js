'use strict'

const express = require('express')
const { pool } = require('./database')
const { subscribe } = require('./news')

const app = express()
app.use(express.json())

app.get('/items', async (request, response) => {
  const { rows } = await pool.query('select id, name, price, stock from items order by id')
  response.json(rows)
})

app.get('/items/:id', async (request, response) => {
  const { rows, rowCount } = await pool.query('select id, name, price, stock from items where id = $1', [request.params.id])
  if (rowCount === 0) response.status(404).json({ error: 'no such item' })
  else response.json(rows[0])
})

// Takes from the stock and writes the order down, or neither; listeners are told when it is committed.
app.post('/orders', async (request, response) => {
  const { item, quantity } = request.body
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const inserted = await client.query('insert into orders (item, quantity) values ($1, $2) returning id', [item, quantity])
    await client.query('update items set stock = stock - $2 where id = $1', [item, quantity])
    await client.query("select pg_notify('orders', $1)", [JSON.stringify({ item, quantity })])
    await client.query('COMMIT')
    response.status(201).json(inserted.rows[0])
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
})

app.get('/orders', async (request, response) => {
  const { rows } = await pool.query({ text: 'select item, quantity from orders order by id', rowMode: 'array' })
  response.json(rows)
})

// Server-sent events: one for each order.
app.get('/news', async (request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const unsubscribe = await subscribe((order) => response.write(`data: ${order}\n\n`))
  response.write(': listening\n\n')
  request.on('close', unsubscribe)
})

/** SQLSTATEs of what is the caller's fault. */
const FAULTS = { 22: 400, 23: 409 }

app.use((error, request, response, next) => {
  if (response.headersSent) return next(error)
  const status = FAULTS[error.code?.slice(0, 2)] ?? 503
  return response.status(status).json({ error: error.message, code: error.code, constraint: error.constraint })
})

module.exports = { app }
