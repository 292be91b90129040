/// <reference types="node" />

import { EventEmitter } from 'events'
import pgTypes = require('pg-types')
import {
  ClientConfig, ConnectOptions, CustomTypesConfig, IterateOptions, PoolConfig, PoolOptions, QueryOptions, TransactionOptions,
} from './config'
import { Alert, PoolEvent, PoolHealth, PoolStats } from './metrics'

export * from './config'
export * from './metrics'
export * from './names'

/** As in @types/pg: the parameters of a query, which have to be an array. */
export type QueryConfigValues<T> = T extends Array<infer U> ? T : never

export type ConnectionConfig = ClientConfig

export interface QueryConfig<I = any[]> extends QueryOptions {
  name?: string | undefined
  text: string
  values?: QueryConfigValues<I>
  types?: CustomTypesConfig | undefined
  binary?: boolean | undefined
  queryMode?: 'extended' | undefined
  query_timeout?: number | undefined
}

/** Rows come as arrays. */
export interface QueryArrayConfig<I = any[]> extends QueryConfig<I> {
  rowMode: 'array'
}

export interface FieldDef {
  name: string
  tableID: number
  columnID: number
  dataTypeID: number
  dataTypeSize: number
  dataTypeModifier: number
  format: string
}

export interface QueryResultBase {
  command: string
  rowCount: number | null
  oid: number
  fields: FieldDef[]
}

export interface QueryResultRow {
  [column: string]: any
}

export interface QueryResult<R extends QueryResultRow = any> extends QueryResultBase {
  rows: R[]
}

export interface QueryArrayResult<R extends any[] = any[]> extends QueryResultBase {
  rows: R[]
}

/** What LISTEN brings. */
export interface Notification {
  processId: number
  channel: string
  payload?: string | undefined
}

/** What the server says of an error or a notice, where it says it. */
interface ServerFields {
  severity: string | undefined
  code: string | undefined
  detail: string | undefined
  hint: string | undefined
  position: string | undefined
  internalPosition: string | undefined
  internalQuery: string | undefined
  where: string | undefined
  schema: string | undefined
  table: string | undefined
  column: string | undefined
  dataType: string | undefined
  constraint: string | undefined
  file: string | undefined
  line: string | undefined
  routine: string | undefined
}

/** What the server tells beside results. */
export interface Notice extends ServerFields {
  readonly name: 'notice'
  length: number
  message: string | undefined
}

export type TransactionStatus = 'I' | 'T' | 'E' | null

/** A Query, or an object of pg-cursor or pg-query-stream. Others, such as those of pg-copy-streams, speak the wire protocol themselves and are refused. */
export interface Submittable {
  submit: (connection: any) => void
}

/** What is typed in @types/pg and neither it nor this package has. */
interface Absent {
  /** @deprecated Of it there is only what Sequelize looks at: an emitter of the settings that a server reports. */
  readonly connection: any
  /** @deprecated Not there in node-postgres either. */
  readonly copyFrom: never
  /** @deprecated Not there in node-postgres either. */
  readonly copyTo: never
  /** @deprecated Not there in node-postgres either. */
  readonly pauseDrain: never
  /** @deprecated Not there in node-postgres either. */
  readonly resumeDrain: never
}

/** The forms of query() that pools and clients have. */
interface Queryable {
  /** A cursor or a query stream, on a client; on a pool it throws, since nobody could say when the client is free again: use iterate(). */
  query<T extends Submittable>(queryStream: T): T
  query<R extends any[] = any[], I = any[]>(
    queryConfig: QueryArrayConfig<I>,
    values?: QueryConfigValues<I>,
    options?: QueryOptions,
  ): Promise<QueryArrayResult<R>>
  query<R extends QueryResultRow = any, I = any>(queryConfig: QueryConfig<I>): Promise<QueryResult<R>>
  query<R extends QueryResultRow = any, I = any[]>(
    queryTextOrConfig: string | QueryConfig<I>,
    values?: QueryConfigValues<I>,
    options?: QueryOptions,
  ): Promise<QueryResult<R>>
  query<R extends any[] = any[], I = any[]>(
    queryConfig: QueryArrayConfig<I>,
    callback: (err: Error, result: QueryArrayResult<R>) => void,
  ): void
  query<R extends QueryResultRow = any, I = any[]>(
    queryTextOrConfig: string | QueryConfig<I>,
    callback: (err: Error, result: QueryResult<R>) => void,
  ): void
  query<R extends QueryResultRow = any, I = any[]>(
    queryText: string,
    values: QueryConfigValues<I>,
    callback: (err: Error, result: QueryResult<R>) => void,
  ): void

  /** Rows of a large result one by one; the server is held back while nobody asks for more. */
  iterate<R extends any[] = any[]>(
    text: string,
    values: readonly unknown[] | null | undefined,
    options: IterateOptions & { rowMode: 'array' },
  ): AsyncGenerator<R, void, undefined>
  iterate<R extends QueryResultRow = any>(
    text: string,
    values?: readonly unknown[] | null,
    options?: IterateOptions,
  ): AsyncGenerator<R, void, undefined>
}

export interface ClientBase extends Queryable, Absent {}

/** A session. */
export class ClientBase extends EventEmitter {
  constructor(config?: string | ClientConfig)

  connect(): Promise<ClientBase>
  connect(callback: ((err: Error) => void) | ((err: null, c: ClientBase) => void)): void

  /** The server's process for this session. */
  readonly processID: number | null

  escapeIdentifier: typeof escapeIdentifier
  escapeLiteral: typeof escapeLiteral
  setTypeParser: typeof pgTypes.setTypeParser
  getTypeParser: typeof pgTypes.getTypeParser

  /** I idle, T in a transaction, E in one that failed. */
  getTransactionStatus(): TransactionStatus

  ref(): void
  unref(): void

  on<E extends 'connect' | 'drain' | 'error' | 'notice' | 'notification' | 'end'>(
    event: E,
    listener: E extends 'connect' | 'drain' | 'end' ? () => void
      : E extends 'error' ? (err: Error) => void
      : E extends 'notice' ? (notice: Notice) => void
      : (message: Notification) => void,
  ): this
}

/** A session of its own, without a pool. */
export class Client extends ClientBase {
  user?: string | undefined
  database?: string | undefined
  port: number
  host: string
  password?: string | undefined
  ssl: boolean
  readonly pipeline: boolean

  constructor(config?: string | ClientConfig)

  connect(): Promise<Client>
  connect(callback: ((err: Error) => void) | ((err: null, c: Client) => void)): void

  end(): Promise<void>
  end(callback: (err: Error) => void): void
}

/** A session as a pool hands it out. */
export interface PoolClient extends Client {
  /** Gives it back; with an error or true it is closed. */
  release(err?: Error | boolean): void
}

export interface Pool extends Queryable {}

export class Pool extends EventEmitter {
  constructor(config?: string | PoolConfig)

  /**
   * The pool of these options: the same for whoever asks in this process, also after modules were loaded again. With functions
   * among them a `name` says which pool it is, and those of the first are used.
   */
  static shared(config?: string | PoolConfig): Pool

  readonly totalCount: number
  readonly idleCount: number
  readonly waitingCount: number
  readonly expiredCount: number
  readonly ending: boolean
  readonly ended: boolean
  options: PoolOptions
  /** Where it leads to, as host:port. */
  readonly target: string

  connect(options?: ConnectOptions): Promise<PoolClient>
  connect(
    callback: (err: Error | undefined, client: PoolClient | undefined, done: (release?: any) => void) => void,
  ): void

  end(): Promise<void>
  end(callback: () => void): void

  /**
   * Runs a function in a transaction and commits it; rolled back if it throws. After a conflict with others it is run
   * again, so it must not do what cannot be done twice. The client goes back by itself.
   */
  transaction<T>(fn: (client: PoolClient) => T | Promise<T>, options?: TransactionOptions): Promise<T>

  stats(): PoolStats
  health(): PoolHealth
  metrics(format?: 'prometheus' | 'openmetrics' | 'text'): string
  metrics(format: 'json'): Record<string, any>
  /** Who holds the connections, joined with what the server says. */
  explainExhaustion(format?: 'text'): Promise<string>
  explainExhaustion(format: 'json'): Promise<Record<string, any>>
  /** Closes every idle session now, for a process about to be frozen; how many those were. */
  releaseIdle(): Promise<number>
  /**
   * Sets the most connections, in place of the option `max`: a larger pool lets those that wait open at once, a smaller one closes
   * idle ones at once and others as they come back.
   */
  setMaxSize(max: number): Promise<void>
  /** Waits until so many connections are open (`min` without a number), and opens what is missing; 8 s at most unless told. */
  waitUntilWarm(connections?: number, options?: { timeoutMillis?: number }): Promise<void>
  /** Asks the server whether it can be used now; 8 s at most unless told. health() tells what is known without asking. */
  ping(options?: { timeoutMillis?: number }): Promise<void>
  /** Metrics, health and a dashboard over HTTP. */
  serve(address?: string, options?: { token?: string; beyondLoopback?: boolean }): { readonly url: string; close(): void }

  on<K extends 'error' | 'release' | 'connect' | 'acquire' | 'remove'>(
    event: K,
    listener: K extends 'error' | 'release' ? (err: Error, client: PoolClient) => void : (client: PoolClient) => void,
  ): this
  on(event: 'retry' | 'limit' | 'breaker' | 'leak' | 'exhaustion' | 'notice' | 'event', listener: (event: PoolEvent) => void): this
  on(event: 'alert', listener: (alert: Alert) => void): this
}

/** One try at opening a connection that failed. */
export interface Attempt {
  kind: string
  phase: string
  sqlstate?: string
  cause: string
  target: string
  tookMillis: number
  backoffMillis: number
}

/** Every failure of a pool. */
export class HoldfastError extends Error {
  /** 'pool_timeout', 'connection_lost', 'database', ... */
  kind: string
  /** 'queue', 'connect', 'tls', 'auth', 'query', 'commit', ... */
  phase?: string
  /** Tries at opening a connection that failed before. */
  attempts: Attempt[]
  /** Whether the same may succeed when tried again, and provably had no effect. */
  retryable: boolean
  /** What to do about it. */
  remedy?: string
  /** The server concerned, as host:port. */
  target?: string
  elapsedMillis?: number
  /** All of it in one line. */
  summary: string
  /** SQLSTATE, or what Node's own errors have: 'ECONNREFUSED'. */
  code?: string | undefined
}

/** An error that the server reported. */
export class DatabaseError extends HoldfastError {
  constructor(message: string, length: number, name: 'error')
  readonly length: number
}
export interface DatabaseError extends ServerFields {
  code: string | undefined
}

export class Result<R extends QueryResultRow = any> implements QueryResult<R> {
  command: string
  rowCount: number | null
  oid: number
  fields: FieldDef[]
  rows: R[]
}

/** Parsers over others. */
export class TypeOverrides {
  constructor(types?: CustomTypesConfig)
  setTypeParser: typeof pgTypes.setTypeParser
  getTypeParser: typeof pgTypes.getTypeParser
}

/** A query as an object, for client.query(), which tells of its rows, its end and its error by events. */
export class Query<R extends QueryResultRow = any, I extends any[] = any[]> extends EventEmitter implements Submittable {
  constructor(queryTextOrConfig?: string | QueryConfig<I>, callback?: (err: Error | undefined, result: QueryResult<R>) => void)
  constructor(
    queryTextOrConfig?: string | QueryConfig<I>,
    values?: QueryConfigValues<I>,
    callback?: (err: Error | undefined, result: QueryResult<R>) => void,
  )
  submit: (connection: any) => void
  on<E extends 'row' | 'error' | 'end'>(
    event: E,
    listener: E extends 'row' ? (row: R, result?: QueryResult<R>) => void
      : E extends 'error' ? (err: Error) => void
      : (result: QueryResult<R>) => void,
  ): this
}

/** node-postgres' class of this name, of which there is only the name: connections are opened by the library. */
export class Connection extends EventEmitter {}

export const types: typeof pgTypes

export const utils: {
  prepareValue(value: unknown): any
  normalizeQueryConfig(config: any, values?: any, callback?: any): any
  escapeIdentifier: typeof escapeIdentifier
  escapeLiteral: typeof escapeLiteral
}

export function escapeIdentifier(str: string): string
export function escapeLiteral(str: string): string

/** A statement with its values, as every query() takes it. */
export interface Sql {
  readonly text: string
  readonly values: any[]
}

/**
 * A statement written with its values: sql`select * from item where id = ${id}`. What stands in it is a parameter, whatever it
 * contains; other statements made by this tag become part of the text. Backslashes are the server's.
 */
export const sql: {
  (strings: TemplateStringsArray, ...values: unknown[]): Sql
  /** A name, or one with its schema, quoted. */
  identifier(...names: string[]): Sql
  /** Values or statements with another one between them; a comma if none is given. Not of an empty list. */
  join(items: readonly unknown[], separator?: Sql): Sql
}

/** What neither an option nor the environment says. */
export const defaults: ClientConfig & {
  poolSize?: number | undefined
  binary?: boolean | undefined
  parseInt8?: boolean | undefined
  parseInputDatesAsUTC?: boolean | undefined
}

import * as Holdfast from '.'
declare const holdfast: typeof Holdfast
export default holdfast
