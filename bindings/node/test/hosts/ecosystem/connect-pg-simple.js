'use strict'

const { promisify } = require('node:util')
const { Pool } = require('pg')
const session = require('express-session')
const Store = require('connect-pg-simple')(session)

module.exports = async (config, conString) => {
  const seen = {}
  const pool = new Pool(config)
  for (const [name, connection] of Object.entries({ url: { conString }, pool: { pool } })) {
    const store = new Store({ ...connection, createTableIfMissing: true, pruneSessionInterval: false })
    const call = (method, ...args) => promisify(store[method].bind(store))(...args)
    const cookie = { maxAge: 60_000, expires: new Date(Date.now() + 60_000) }
    await call('set', `${name}-a`, { cookie, user: 1 })
    await call('set', `${name}-a`, { cookie, user: 2 })
    await call('touch', `${name}-a`, { cookie })
    const { user } = await call('get', `${name}-a`)
    await call('destroy', `${name}-a`)
    seen[name] = [user, await call('get', `${name}-a`)]
    await store.close()
  }
  await pool.end()
  return seen
}
