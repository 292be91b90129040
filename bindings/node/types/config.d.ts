/// <reference types="node" />

import pgTypes = require('pg-types')
import { ConnectionOptions } from 'tls'
import { ClientBase, PoolClient } from './index'

/** Where parsers come from: pg-types, or an object of one's own. */
export interface CustomTypesConfig {
  getTypeParser: typeof pgTypes.getTypeParser
}

/** node-postgres' options of a client. */
export interface ClientConfig {
  user?: string | undefined
  database?: string | undefined
  /** A function is asked when a connection is first needed, and again when the server refuses what it said before. */
  password?: string | ((config?: ConnectionParameters) => string | Promise<string>) | undefined
  port?: number | undefined
  /** A name, an address, or the directory of a Unix socket. */
  host?: string | undefined
  /** Wins over single fields. */
  connectionString?: string | undefined
  keepAlive?: boolean | undefined
  keepAliveInitialDelayMillis?: number | undefined
  ssl?: boolean | 'no-verify' | ConnectionOptions | undefined
  sslnegotiation?: 'postgres' | 'direct' | undefined
  enableChannelBinding?: boolean | undefined
  statement_timeout?: false | number | undefined
  lock_timeout?: number | undefined
  idle_in_transaction_session_timeout?: number | undefined
  /** Milliseconds after which a query fails; unlike in node-postgres, the server stops it as well. */
  query_timeout?: number | undefined
  /** The most milliseconds that a request waits for a connection: queue, opening, retries and the waits between them; 8 s, 0 is no limit. */
  connectionTimeoutMillis?: number | undefined
  application_name?: string | undefined
  fallback_application_name?: string | undefined
  client_encoding?: string | undefined
  /** Command-line options for the session, such as `-c search_path=app`. */
  options?: string | undefined
  types?: CustomTypesConfig | undefined
  binary?: boolean | undefined
  pipeline?: boolean | undefined
}

/** What a function for the password is given. */
export interface ConnectionParameters {
  user: string
  database: string
  host: string
  port: number
  /** The server has refused, a moment ago, what the function said for the same connection: do not take it from a cache again. */
  wasRefused: boolean
}

/** A number of milliseconds, or text with a unit: '500ms', '15s', '30min'. */
export type Duration = number | string

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** Holdfast's own options. Each may also be written as the library does: `max_lifetime: '30min'`. */
export interface HoldfastConfig {
  /** A name for the pool, as metrics and log lines show it. */
  name?: string | undefined
  /** The most callers that may wait for a connection; 0, the default, is any number. */
  maxWaiting?: number | undefined
  /** Retries after a first attempt to connect that failed for a passing reason; as many as connectionTimeoutMillis has time for, else 2. */
  retryMax?: number | undefined
  /** The wait before the first retry, which doubles with each further one; 1 s. */
  retryBaseDelay?: Duration | undefined
  /** The longest wait between two retries; 2 s, and 5 s without connectionTimeoutMillis. */
  retryMaxDelay?: Duration | undefined
  /** Shortens each wait by a random share of up to this much; 0.2. */
  retryJitter?: number | undefined
  /** Once the server has been out of reach for so long, calls that find no connection fail at once; 10 s, 0 is never. */
  breakerAfter?: Duration | undefined
  /** Shares the server's slots with other pools that do; true. */
  fleetShare?: boolean | undefined
  /** A connection is replaced at this age; 30 min, 0 is never. */
  maxLifetime?: Duration | undefined
  /** An idle connection is closed this long after its last use; 15 s. */
  idleTimeout?: Duration | undefined
  /** The most one attempt to get a connection may take; connectionTimeoutMillis. Given without that, the whole has no limit but retryMax. */
  connectionTimeout?: Duration | undefined
  /** A connection idle for longer is validated before it is handed out; 500 ms. */
  validateAfterIdle?: Duration | undefined
  /** The most a validation may take; 1 s. */
  validationTimeout?: Duration | undefined
  /** An idle connection without traffic for this long is validated in the background; 0, never. */
  keepaliveInterval?: Duration | undefined
  /** How long cleaning a returned connection may take before it is closed instead; 1 s. */
  settleTimeout?: Duration | undefined
  /** The reset of a session that comes back, before the next caller gets it; 'none'. See the chapter on session state. */
  sessionReset?: 'none' | 'state' | 'discard' | undefined
  /** How long end() waits for what is in use before it ends it; 5 s. */
  closeTimeout?: Duration | undefined
  /** Prepared statements kept per connection; 256, 0 prepares none by name. Behind a pooler that loses them the pool stops naming them by itself. */
  statementCache?: number | undefined
  /** The deadline of every statement; 0, none. */
  statementDeadline?: Duration | undefined
  /** Measures how long waits, checkouts and statements take; true. */
  metrics?: boolean | undefined
  /** A connection checked out for longer is reported once; 5 min, 0 is never. */
  leakDetectionThreshold?: Duration | undefined
  /** Keeps a backtrace of every checkout, for reports of leaks; false. */
  leakBacktrace?: boolean | undefined
  /** Logs the messages of the protocol, without their contents, when their connection comes back; false. */
  protocolTrace?: boolean | undefined
  /** Which role the server must have. */
  targetSessionAttrs?: 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby' | undefined
  loadBalanceHosts?: 'disable' | 'random' | undefined
  sslmode?: 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full' | undefined
  sslrootcert?: string | undefined
  sslcert?: string | undefined
  sslkey?: string | undefined
  sslpassword?: string | undefined
  sslcertmode?: 'disable' | 'allow' | 'require' | undefined
  sslcrl?: string | undefined
  sslcrldir?: string | undefined
  /** The operating system's user that a server behind a Unix socket must run as. */
  requirepeer?: string | undefined
  channelBinding?: 'disable' | 'prefer' | 'require' | undefined
  /** The methods that the server may ask for, as libpq's require_auth: `scram-sha-256,md5`, or `!password`. */
  requireAuth?: string | undefined
  /** The most rounds of password hashing that a server may ask for. */
  scramMaxIterations?: number | undefined
  minProtocolVersion?: '3.0' | '3.2' | 'latest' | undefined
  maxProtocolVersion?: '3.0' | '3.2' | 'latest' | undefined
  service?: string | undefined
  servicefile?: string | undefined
  /** False where the connection string is a stranger's: no variables, password file or service file are used. */
  environment?: boolean | undefined
  passfile?: string | undefined
  hostaddr?: string | undefined
  sslsni?: boolean | undefined
  sslMinProtocolVersion?: TlsVersion | undefined
  sslMaxProtocolVersion?: TlsVersion | undefined
  /** The most connecting to one host may take, within connectionTimeout. */
  connectTimeout?: Duration | undefined
  keepalivesIdle?: Duration | undefined
  keepalivesInterval?: Duration | undefined
  keepalivesCount?: number | undefined
  tcpUserTimeout?: Duration | undefined
  /** The server ends sessions that nothing is asked of for so long, such as those of a frozen process. */
  serverIdleSessionTimeout?: Duration | undefined
  /** While the server works it looks this often whether the client is still there. */
  serverConnectionCheckInterval?: Duration | undefined
  /** Closes a client whose statement failed, as node-postgres does for pool.query; false. */
  closeOnError?: boolean | undefined
  /** node-postgres' defaults wherever this package's differ on purpose. */
  compatible?: 'pg' | undefined
  /** One pool of the library for all threads of the process; a text tells several apart. */
  shared?: boolean | string | undefined
  /** How much `log` hears: 1 errors, 2 warnings, 3 information, 4 and 5 more. */
  logLevel?: number | undefined
}

/** Options of a pool: all of them may be left out. */
export interface PoolConfig extends ClientConfig, HoldfastConfig {
  /** The most connections; 8 in production, else 5. */
  max?: number | undefined
  min?: number | undefined
  idleTimeoutMillis?: number | undefined | null
  log?: ((...messages: any[]) => void) | undefined
  Promise?: PromiseConstructorLike | undefined
  allowExitOnIdle?: boolean | undefined
  maxUses?: number | undefined
  maxLifetimeSeconds?: number | undefined
  /** The class of the pool's clients, which extends Client. */
  Client?: (new(config?: any) => ClientBase) | undefined
  /** Runs once for each session, before anything uses it. */
  onConnect?: ((client: ClientBase) => void | Promise<void>) | undefined
  verify?: ((client: PoolClient, done: (err?: Error) => void) => void) | undefined
}

/** As a pool has them: with the defaults. */
export interface PoolOptions extends Omit<PoolConfig, 'onConnect' | 'verify' | 'ssl' | 'Client'> {
  Client?: any
  ssl?: any
  // Of any client, so that a pool may stand where one of node-postgres is asked for, whose clients have less.
  onConnect?: ((client: any) => void | Promise<void>) | undefined
  verify?: ((client: any, done: (err?: Error) => void) => void) | undefined
  max: number
  maxUses: number
  allowExitOnIdle: boolean
  maxLifetimeSeconds: number
  idleTimeoutMillis: number | null
}

/** What a single query may be told. */
export interface QueryOptions {
  /** How often opening a connection for it is tried again; for an idempotent statement, the statement too. */
  maxRetries?: number | undefined
  /** Ends the statement at the server. */
  signal?: AbortSignal | undefined
  /** Milliseconds for the whole; the statement is then ended at the server. */
  deadline?: number | undefined
  /** Whether the statement may be repeated when a connection breaks: it changes nothing, or nothing more if done twice. */
  idempotent?: boolean | undefined
}

export interface ConnectOptions {
  signal?: AbortSignal | undefined
  maxRetries?: number | undefined
  /** Milliseconds to wait for a client, retries included. */
  timeout?: number | undefined
}

export interface TransactionOptions {
  isolation?: 'read committed' | 'repeatable read' | 'serializable' | undefined
  readOnly?: boolean | undefined
  deferrable?: boolean | undefined
  /** How often the function is run again after a conflict with other transactions. */
  maxReruns?: number | undefined
  /** Finds out whether a COMMIT took effect whose answer was lost. */
  resolveCommit?: boolean | undefined
  /** Milliseconds for the whole, reruns included. */
  deadline?: number | undefined
  maxRetries?: number | undefined
  signal?: AbortSignal | undefined
}

export interface IterateOptions {
  /** How many rows are fetched at a time; 500. */
  batchSize?: number | undefined
  types?: CustomTypesConfig | undefined
  signal?: AbortSignal | undefined
}
