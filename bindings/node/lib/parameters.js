'use strict'

/** What clients show of where they lead to, and what a function for the password is given. */
function parameters(options) {
  let url = {}
  if (options.connectionString) {
    try {
      const read = new URL(String(options.connectionString))
      url = { user: decodeURIComponent(read.username), host: read.hostname, port: read.port, database: decodeURIComponent(read.pathname.slice(1)) }
    } catch {
      // No URL: what it says is the library's affair.
    }
  }
  const user = url.user || options.user || process.env.PGUSER || process.env.USER
  return {
    user,
    database: url.database || options.database || process.env.PGDATABASE || user,
    host: url.host || options.host || process.env.PGHOST || 'localhost',
    port: Number(url.port || options.port || process.env.PGPORT || 5432),
  }
}

module.exports = { parameters }
