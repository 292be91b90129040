'use strict'

const { normalUrl } = require('./connection-string')
const { setDefaultsFor } = require('./defaults')

function ofUrl(string) {
  try {
    const read = new URL(normalUrl(String(string)))
    return {
      user: read.searchParams.get('user') || decodeURIComponent(read.username),
      password: read.searchParams.get('password') || decodeURIComponent(read.password),
      host: read.searchParams.get('host') || decodeURIComponent(read.hostname),
      port: read.port,
      database: decodeURIComponent(read.pathname.slice(1)),
    }
  } catch {
    // No URL: what it says is the library's affair.
    return {}
  }
}

/** Where clients lead to, as they show it, and what a function for the password is given. */
function parameters(given) {
  const options = { ...given, ...setDefaultsFor(given) }
  const url = options.connectionString ? ofUrl(options.connectionString) : {}
  const user = url.user || options.user || process.env.PGUSER || process.env.USER
  return {
    user,
    password: url.password || given.password || options.password || process.env.PGPASSWORD || null,
    database: url.database || options.database || process.env.PGDATABASE || user,
    host: url.host || options.host || process.env.PGHOST || 'localhost',
    port: Number(url.port || options.port || process.env.PGPORT || 5432),
  }
}

module.exports = { parameters }
