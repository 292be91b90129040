'use strict'

const { Pool } = require('pg')

module.exports = async (config) => {
  const { betterAuth } = await import('better-auth')
  const { getMigrations } = await import('better-auth/db/migration')
  const pool = new Pool(config)
  const options = { database: pool, secret: 'a secret of a test that is long enough for it', baseURL: 'http://localhost:3000', emailAndPassword: { enabled: true } }
  const { runMigrations } = await getMigrations(options)
  await runMigrations()
  const auth = betterAuth(options)
  const body = { email: 'a@example.org', password: 'a password', name: 'a' }
  const { user } = await auth.api.signUpEmail({ body })
  const seen = {
    user: [user.email, user.name, user.emailVerified, typeof user.createdAt],
    in: (await auth.api.signInEmail({ body })).user.email,
    wrong: await auth.api.signInEmail({ body: { ...body, password: 'another one' } }).catch((error) => error.status),
    again: await auth.api.signUpEmail({ body }).catch((error) => error.status),
    tables: (await pool.query("select table_name from information_schema.tables where table_schema = 'public' order by 1")).rows,
  }
  await pool.end()
  return seen
}
