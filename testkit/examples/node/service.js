'use strict'

const http = require('node:http')
const { Pool } = require('pg-holdfast')

/** A service that writes down an order for each POST, and counts them for each GET. */
function createService(config) {
  const pool = new Pool(config)
  pool.on('error', (error) => console.error('an idle client broke:', error.message))
  const ready = () => pool.query('create table if not exists orders (id serial primary key, item text)')
  const answer = async (request) => {
    if (request.method === 'POST') {
      await ready()
      const { rows } = await pool.query('insert into orders (item) values ($1) returning id', ['rope'])
      return rows[0]
    }
    return (await pool.query('select count(*)::int as orders from orders')).rows[0]
  }
  const server = http.createServer(async (request, response) => {
    try {
      response.end(JSON.stringify(await answer(request)))
    } catch (error) {
      response.writeHead(503).end(JSON.stringify({ code: error.code, message: error.message }))
    }
  })
  server.once('close', () => pool.end())
  return server
}

module.exports = { createService }

if (require.main === module) createService({ connectionString: process.env.DATABASE_URL }).listen(3000)
