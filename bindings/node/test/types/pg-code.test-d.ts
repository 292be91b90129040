/** Code as programs have it that are typed against @types/pg: all of it compiles with the import changed. */
import { expectAssignable, expectError, expectType } from 'tsd'
import pgDefault, * as pg from '../..'
import {
  Client, ClientBase, ClientConfig, CustomTypesConfig, DatabaseError, Pool, PoolClient, PoolConfig, QueryArrayConfig,
  QueryArrayResult, QueryConfig, QueryResult, QueryResultRow, types,
} from '../..'

const config: PoolConfig = {
  host: 'localhost', port: 5432, user: 'u', database: 'd', password: async () => 'secret', max: 10, min: 1,
  idleTimeoutMillis: 1000, connectionTimeoutMillis: 2000, maxUses: 100, maxLifetimeSeconds: 60, allowExitOnIdle: true,
  ssl: { rejectUnauthorized: false }, statement_timeout: 5000, query_timeout: 5000, application_name: 'a', keepAlive: true,
}
const pool = new Pool(config)
expectType<Pool>(new pgDefault.Pool())
expectType<Pool>(new pg.Pool({ connectionString: 'postgres://localhost' }))

interface User {
  id: number
  name: string
}

expectType<Promise<QueryResult<User>>>(pool.query<User>('SELECT * FROM users WHERE id = $1', [1]))
expectType<Promise<QueryResult<any>>>(pool.query('SELECT 1'))
expectType<Promise<QueryResult<User>>>(pool.query<User>({ text: 'SELECT 1', values: [1], name: 'n' }))
expectType<Promise<QueryArrayResult<[number, string]>>>(pool.query<[number, string]>({ text: 'SELECT 1', rowMode: 'array' }))
expectType<void>(pool.query<User>('SELECT 1', (err, result) => expectType<User[]>(result.rows)))
expectType<void>(pool.query<User>('SELECT $1', [1], (err, result) => expectType<number | null>(result.rowCount)))
expectError(pool.query('SELECT $1', 'not an array'))
expectError(pool.query(5))

async function users(client: ClientBase | Pool): Promise<User[]> {
  const { rows } = await client.query<User>('SELECT * FROM users')
  return rows
}
const queryConfig: QueryConfig<[number]> = { text: 'SELECT $1', values: [1] }
const arrayConfig: QueryArrayConfig = { text: 'SELECT 1', rowMode: 'array' }
const generic = <R extends QueryResultRow>(text: string): Promise<QueryResult<R>> => pool.query<R>(text)
expectAssignable<Promise<QueryResult>>(pool.query(queryConfig))
expectAssignable<Promise<QueryArrayResult>>(pool.query(arrayConfig))
expectType<Promise<QueryResult<User>>>(generic<User>('SELECT 1'))

async function transfer(): Promise<void> {
  const client: PoolClient = await pool.connect()
  try {
    await client.query('BEGIN')
    await users(client)
    await client.query('COMMIT')
    client.on('notification', (message) => expectType<string | undefined>(message.payload))
    client.on('notice', (notice) => expectType<string | undefined>(notice.message))
    client.on('error', (error) => expectType<Error>(error))
    expectType<string>(client.escapeIdentifier('a'))
    expectType<'I' | 'T' | 'E' | null>(client.getTransactionStatus())
  } catch (error) {
    if (error instanceof DatabaseError) expectType<string | undefined>(error.constraint)
    throw error
  } finally {
    client.release()
    client.release(true)
    client.release(new Error('broken'))
  }
}
expectType<Promise<void>>(transfer())

pool.connect((err, client, done) => {
  expectType<Error | undefined>(err)
  expectType<PoolClient | undefined>(client)
  done()
  done(true)
})
pool.on('error', (error, client) => {
  expectType<Error>(error)
  expectType<PoolClient>(client)
})
pool.on('connect', (client) => expectType<PoolClient>(client))
pool.once('remove', () => {})
expectType<number>(pool.totalCount + pool.idleCount + pool.waitingCount + pool.expiredCount)
expectType<boolean>(pool.ending && pool.ended)
expectType<number>(pool.options.max)
expectType<Promise<void>>(pool.end())
expectType<void>(pool.end(() => {}))

types.setTypeParser(types.builtins.INT8, (value) => parseInt(value, 10))
const own: CustomTypesConfig = { getTypeParser: () => (value: string) => value }
const clientConfig: ClientConfig = { types: own }
const client = new Client(clientConfig)
expectType<Promise<Client>>(client.connect())
expectType<Promise<void>>(client.end())
