/** What this package has besides node-postgres. */
import { expectAssignable, expectError, expectType } from 'tsd'
import * as theirs from 'pg'
import { Alert, Attempt, PoolEvent, HoldfastError, Pool, PoolClient, PoolHealth, PoolStats, QueryResult, sql } from '../..'

const pool = new Pool({ maxLifetime: '30min', retryMax: 3, closeTimeout: 5000, fleetShare: false, targetSessionAttrs: 'read-write', shared: true })
expectType<Pool>(new Pool('postgres://localhost/db'))
expectError(new Pool({ retryMax: 'three' }))
expectError(new Pool({ targetSessionAttrs: 'leader' }))
expectType<Pool>(Pool.shared({ max: 3 }))

/** Libraries that are typed against pg take it as it is. */
expectAssignable<theirs.Pool>(pool)
declare const client: PoolClient
expectAssignable<theirs.PoolClient>(client)
expectAssignable<theirs.ClientBase>(client)

interface Row {
  n: number
}
const { signal } = new AbortController()
expectType<Promise<QueryResult<Row>>>(pool.query<Row>('SELECT 1 AS n', [], { maxRetries: 3, signal, deadline: 500, idempotent: true }))
expectType<Promise<QueryResult<Row>>>(client.query<Row>({ text: 'SELECT 1 AS n', signal, deadline: 500 }))
expectError(pool.query('SELECT 1', [], { maxRetries: 'many' }))
expectType<Promise<PoolClient>>(pool.connect({ signal, timeout: 100, maxRetries: 0 }))

expectType<Promise<number>>(pool.transaction(async (tx) => {
  expectType<PoolClient>(tx)
  return 5
}, { isolation: 'serializable', readOnly: true, maxReruns: 5, resolveCommit: true, deadline: 1000, signal }))
expectError(pool.transaction(async () => {}, { isolation: 'chaos' }))

async function iterate() {
  for await (const row of pool.iterate<Row>('SELECT 1 AS n', [], { batchSize: 100, signal })) expectType<Row>(row)
  for await (const row of client.iterate<[number]>('SELECT 1', null, { rowMode: 'array' })) expectType<[number]>(row)
  for await (const row of client.iterate<Row>('SELECT 1 AS n')) expectType<number>(row.n)
}
expectType<Promise<void>>(iterate())

expectType<PoolStats>(pool.stats())
expectType<number>(pool.stats().closed.idleTimeout)
expectType<PoolHealth>(pool.health())
expectType<string>(pool.metrics())
expectType<string>(pool.metrics('openmetrics'))
expectType<Record<string, any>>(pool.metrics('json'))
expectType<Promise<string>>(pool.explainExhaustion())
expectType<Promise<number>>(pool.releaseIdle())
expectType<Promise<void>>(pool.setMaxSize(4))
expectType<Promise<void>>(pool.waitUntilWarm())
expectType<Promise<void>>(pool.waitUntilWarm(2, { timeoutMillis: 500 }))
expectType<Promise<void>>(pool.ping({ timeoutMillis: 500 }))
expectError(pool.setMaxSize('4'))
expectType<string>(pool.serve('127.0.0.1:0', { token: 't' }).url)
expectType<string>(pool.target)

pool.on('retry', (event) => expectType<PoolEvent>(event))
pool.on('breaker', (event) => expectType<number>(event.to))
pool.on('alert', (alert) => {
  expectType<Alert>(alert)
  expectType<boolean>(alert.raised)
})

declare const error: HoldfastError
expectType<string>(error.kind)
expectType<Attempt[]>(error.attempts)
expectType<string | undefined>(error.remedy)

/** There is nothing to be done with these here, and the compiler says so. */
expectType<never>(client.copyFrom)

class Cursor {
  submit() {}
}
expectType<Cursor>(client.query(new Cursor()))

new Pool({ password: async (session) => (session?.wasRefused ? 'fresh' : 'secret') })

const statement = sql`select ${1}, ${sql.join(['a', 'b'])} from ${sql.identifier('public', 'item')}`
expectType<string>(statement.text)
expectType<Promise<QueryResult<{ id: number }>>>(pool.query<{ id: number }>(statement))
