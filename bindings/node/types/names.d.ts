// Written by tests/c_abi/tables.rs, from the tables in src/.

/** The kind of an event. */
export type EventName =
  | 'opened'
  | 'open_failed'
  | 'closed'
  | 'retried'
  | 'timed_out'
  | 'limit_moved'
  | 'circuit_moved'
  | 'leak_suspected'
  | 'server_message'
  | 'rolled_back'
  | 'alert_raised'
  | 'alert_cleared'
  | 'exhaustion_explained'
  | 'notice'

/** The state of a pool's circuit. */
export type CircuitName =
  | 'closed'
  | 'probing'
  | 'open'
  | 'refused'

/** What keeps a pool from having more connections. */
export type LimitName =
  | 'server'
  | 'reserved'
  | 'role'
  | 'database'
  | 'pooler'
  | 'fleet'

/** The health of a pool in one word. */
export type HealthName =
  | 'healthy'
  | 'degraded'
  | 'down'

/** The reason why a connection was closed. */
export type CloseReasonName =
  | 'idleTimeout'
  | 'maxLifetime'
  | 'validationFailed'
  | 'broken'
  | 'deadlinePassed'
  | 'unclean'
  | 'discarded'
  | 'poolClosed'
  | 'released'
  | 'wrongRole'
  | 'shared'
  | 'surplus'

// End.
