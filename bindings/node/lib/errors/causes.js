'use strict'

// The full cause for every caller: of several that wait for a session, the library gives the server's answer to the one whose
// attempt it was. The others are given it, too, as the pool has heard of it by an event.

const { toError } = require('.')

/** What the server's answer consists of. */
const ANSWER = [
  'sqlstate', 'severity', 'message', 'answered', 'detail', 'hint', 'position', 'internalPosition', 'internalQuery', 'where', 'schema', 'table',
  'column', 'dataType', 'constraint', 'file', 'line', 'routine',
]
/** Failures of one that waited, whatever it waited for. */
const WAITED = new Set(['pool_timeout', 'circuit_open', 'overloaded'])

/** An attempt that the end of the whole wait has cut short is no cause, where the server had answered that it is full. */
function kindOf({ kind, attempts = [] }) {
  const isCut = kind === 'connect_timeout' && attempts.slice(0, -1).some((each) => each.kind === 'server_full')
  return isCut ? 'server_full' : kind
}

function setCause(error, reason) {
  Object.defineProperty(error, 'cause', { value: reason, enumerable: false, writable: true, configurable: true })
}

class Causes {
  constructor() {
    /** What kept the last attempts from opening a session, by kind. */
    this._byKind = new Map()
    this._last = undefined
    this._ofPassword = undefined
  }

  /** An attempt failed, as the addon describes it. */
  failed(description) {
    this._byKind.set(description.kind, description)
    this._last = description
  }

  /** The program's function for the password gave none. */
  passwordFailed(error) {
    this._ofPassword = error
  }

  /** A session was opened: what callers wait for now is something else. */
  opened() {
    this._last = undefined
  }

  /** The error of what the addon describes, with the answer of the server that is its cause. */
  errorOf(description) {
    const kind = kindOf(description)
    if (kind !== description.kind) description = { ...description, kind }
    // The server has not refused anything: there was no password to send.
    const hasNoPassword = kind === 'auth' && description.retryable
    const cause = description.sqlstate || hasNoPassword ? undefined : this._byKind.get(kind)
    if (cause?.sqlstate) {
      const answer = Object.fromEntries(ANSWER.map((name) => [name, cause[name]]))
      return toError({ ...description, ...answer })
    }
    const error = toError(description)
    if (hasNoPassword && this._ofPassword !== undefined) setCause(error, this._ofPassword)
    if (WAITED.has(kind) && this._last !== undefined && error.code === undefined) {
      const reason = toError(this._last)
      error.code = reason.code
      setCause(error, reason)
    }
    return error
  }
}

module.exports = { Causes }
