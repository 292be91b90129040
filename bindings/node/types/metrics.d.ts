import { HoldfastError } from '.'
import { CircuitName, CloseReasonName, EventName, HealthName, LimitName } from './names'

/** How a pool stands and what it has done since it was opened. */
export interface PoolStats {
  maxSize: number
  /** How many it may own at present: the server may have less room than maxSize. */
  limit: number
  limitedBy: 'nothing' | LimitName | (string & {})
  total: number
  idle: number
  inUse: number
  opening: number
  waiting: number
  gets: number
  waits: number
  timeouts: number
  opens: number
  retries: number
  statements: number
  rolledBack: number
  probes: number
  shed: number
  validations: number
  fleetShare: number
  fleetPeers: number
  circuit: CircuitName | (string & {})
  circuitMillis: number
  /** Connections closed, by reason. */
  closed: Record<CloseReasonName, number>
  /** Failures, by kind. */
  errors: Record<string, number>
}

/** Whether a pool can do its work, by what is known without asking the server. */
export interface PoolHealth {
  status: HealthName | (string & {})
  live: boolean
  ready: boolean
  alerts: number
  reasons: number
  lastSuccessMillisAgo: number | null
  lastErrorMillisAgo: number | null
  lastProbeMillis: number | null
}

/** What happened in a pool. */
export interface PoolEvent {
  kind: EventName
  /** Milliseconds since 1970. */
  time: number
  /** The pool's name, and where it leads to. */
  pool: string
  /** The pool's number for the connection; 0 where it is about none. */
  connection: number
  /** The server's process for it, or 0. */
  processID: number
  /** Of what moved: the number before, and now. */
  from: number
  to: number
  /** A stable name: why a connection was closed, what the breaker is now, which alert. */
  reason: string
  message: string
  tookMillis?: number
  /** The SQLSTATE that the server gave, whatever its language: as it ended a connection, or of the failure. */
  sqlstate?: string
  /** The kind of failure, where there was one. */
  failure?: string
  /** The failure itself. */
  error?: HoldfastError
}

/** An alert was raised, or is over. */
export interface Alert extends PoolEvent {
  raised: boolean
}
