'use strict'

// One client of the pool listens for all who want to hear of orders, for as long as there is one.

const { pool } = require('./database')

const listeners = new Set()
let listening

async function listen() {
  const client = await pool.connect()
  client.on('notification', ({ payload }) => {
    for (const each of listeners) each(payload)
  })
  client.on('error', () => {
    listening = undefined
    client.release(true)
  })
  await client.query('LISTEN orders')
  return client
}

/** Calls `listener` with the text of each order from now on. Returns how to end that. */
async function subscribe(listener) {
  listeners.add(listener)
  listening ??= listen()
  await listening
  return async () => {
    listeners.delete(listener)
    if (listeners.size > 0 || listening === undefined) return
    const client = await listening
    listening = undefined
    client.release(true)
  }
}

module.exports = { subscribe }
