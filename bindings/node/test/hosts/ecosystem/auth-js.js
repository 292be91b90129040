'use strict'

const { Pool } = require('pg')

const SCHEMA = `
  create table users (id serial primary key, name text, email text, "emailVerified" timestamptz, image text);
  create table accounts (id serial primary key, "userId" int, type text, provider text, "providerAccountId" text, refresh_token text,
    access_token text, expires_at bigint, id_token text, scope text, session_state text, token_type text);
  create table sessions (id serial primary key, "userId" int, expires timestamptz, "sessionToken" text);
  create table verification_token (identifier text, expires timestamptz, token text);`

module.exports = async (config) => {
  const { default: PostgresAdapter } = await import('@auth/pg-adapter')
  const pool = new Pool(config)
  await pool.query(SCHEMA)
  const adapter = PostgresAdapter(pool)
  const expires = new Date(86_400_000)
  const user = await adapter.createUser({ name: 'a', email: 'a@example.org', emailVerified: new Date(0) })
  const seen = {
    user,
    linked: await adapter.linkAccount({ userId: user.id, type: 'oauth', provider: 'p', providerAccountId: '1', expires_at: 7 }),
    byAccount: await adapter.getUserByAccount({ provider: 'p', providerAccountId: '1' }),
    session: await adapter.createSession({ userId: user.id, sessionToken: 't', expires }),
    both: await adapter.getSessionAndUser('t'),
    updated: await adapter.updateUser({ id: user.id, name: 'b' }),
    token: await adapter.createVerificationToken({ identifier: 'i', token: 'v', expires }),
    used: await adapter.useVerificationToken({ identifier: 'i', token: 'v' }),
  }
  await adapter.deleteUser(user.id)
  seen.gone = await adapter.getUser(user.id)
  await pool.end()
  return seen
}
