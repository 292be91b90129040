import { setTimeout as sleep } from 'node:timers/promises'

// The one line that chooses. A program that has made up its mind has `import { Pool } from 'pg-holdfast'` here.
const { Pool } = process.env.DB_PACKAGE === 'pg' ? require('pg') : require('pg-holdfast')

// On the global object, since `next dev` loads this module again after each change.
const pool = (globalThis.pool ??= new Pool({ connectionString: process.env.DATABASE_URL, max: 10, application_name: 'clients' }))

// node-postgres ends the process if an idle connection breaks and nobody listens.
if (pool.listenerCount('error') === 0) pool.on('error', (error) => console.error('an idle connection broke:', error.message))

const SERVER_IS_FULL = '53300'
const WAITS_MILLIS = [1000, 2000]

/**
 * What programs for `pg` do about a full server: try again, after 1 s and 2 s. With pg-holdfast the pool waits, and this finds
 * nothing to do.
 */
async function retried(work) {
  for (const wait of WAITS_MILLIS) {
    try {
      return await work()
    } catch (error) {
      if (error.code !== SERVER_IS_FULL) throw error
      await sleep(wait * (1 - 0.2 * Math.random()))
    }
  }
  return work()
}

export async function query(text, values) {
  const { rows } = await retried(() => pool.query(text, values))
  return rows
}

/** Runs `body` with a client, in a transaction. */
export async function transaction(body) {
  const client = await retried(() => pool.connect())
  try {
    await client.query('begin')
    const result = await body(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

/** SQLSTATEs of what is the caller's fault: 22 values, 23 constraints. */
const FAULTS = { 22: 400, 23: 409 }

/** Answers with what `work` gives, or with its error. */
export async function answer(work, status = 200) {
  try {
    return Response.json(await work(), { status })
  } catch (error) {
    return Response.json({ error: error.message, code: error.code }, { status: FAULTS[error.code?.slice(0, 2)] ?? 503 })
  }
}
