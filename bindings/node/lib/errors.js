'use strict'

const os = require('os')

/**
 * Errors, made of what the addon describes. What came from the server is shaped like node-postgres' DatabaseError; what
 * Holdfast says itself has node-postgres' message where there is one that programs look for, and all of it in `summary`.
 */

/** @typedef {{ kind: string, phase: string, sqlstate?: string, cause: string, target: string, tookMillis: number, backoffMillis: number }} Attempt */

/** A failure of the pool or the network, or a use of it that cannot be. */
class HoldfastError extends Error {}

// Not a property of each, as with the classes of the language.
Object.defineProperty(HoldfastError.prototype, 'name', { value: 'HoldfastError', writable: true, configurable: true })

/** An error that the server reported: the fields of node-postgres' class of that name. */
class DatabaseError extends HoldfastError {
  constructor(message, length, name) {
    super(message)
    this.length = length
    this.name = name
  }
}

/** What the server tells without failing, as node-postgres' NoticeMessage. */
class Notice {
  constructor(length, message) {
    this.length = length
    this.message = message
    this.name = 'notice'
  }
}

/** What the server sends, in node-postgres' order; `code` is told as sqlstate. */
const FIELDS = [
  'severity', 'code', 'detail', 'hint', 'position', 'internalPosition', 'internalQuery', 'where', 'schema', 'table',
  'column', 'dataType', 'constraint', 'file', 'line', 'routine',
]

function fieldOf(description, name) {
  return name === 'code' ? description.sqlstate ?? description.code : description[name]
}

/** Numbers of statuses, for the table below. */
const STATUS = {
  resolve: 2, refused: 3, unreachable: 4, connectTimeout: 9, poolTimeout: 10, poolClosed: 12, connectionLost: 13, queryTimeout: 14,
}

/** node-postgres' own messages, which programs compare. */
const MESSAGES = {
  [STATUS.connectTimeout]: 'Connection terminated due to connection timeout',
  [STATUS.poolTimeout]: 'timeout exceeded when trying to connect',
  [STATUS.poolClosed]: 'Cannot use a pool after calling end on the pool',
  [STATUS.connectionLost]: 'Connection terminated unexpectedly',
  [STATUS.queryTimeout]: 'Query read timeout',
}

/** What Node's own errors have for these. */
const NETWORK = {
  [STATUS.resolve]: { code: 'ENOTFOUND', syscall: 'getaddrinfo', errno: -3008 },
  [STATUS.refused]: { code: 'ECONNREFUSED', syscall: 'connect' },
  [STATUS.unreachable]: { code: 'EHOSTUNREACH', syscall: 'connect' },
}

/** The library counts parameters before it sends anything, and says what the server would have said in node-postgres. */
function countFault(description) {
  const { wanted, given } = description
  if (wanted === undefined) return description
  const message = `bind message supplies ${given} parameters, but prepared statement "" requires ${wanted}`
  return { ...description, sqlstate: '08P01', severity: 'ERROR', message }
}

/** The length of the server's message, which node-postgres shows: each field has a letter and a NUL. */
function messageLength(description) {
  let length = 5
  const count = (text) => {
    if (text !== undefined) length += Buffer.byteLength(text) + 2
  }
  // The severity is sent twice, once in the server's language and once in English.
  count(description.severity)
  count(description.message)
  for (const field of FIELDS) count(fieldOf(description, field))
  return length
}

function setFields(target, description) {
  for (const field of FIELDS) {
    const value = fieldOf(description, field)
    target[field] = value === null || value === '' ? undefined : value
  }
}

/** What Holdfast knows about every failure. Hidden on server errors, which programs print and compare as they know them. */
function setHoldfast(error, description, enumerable) {
  const known = {
    kind: description.kind,
    phase: description.phase || undefined,
    attempts: description.attempts ?? [],
    retryable: Boolean(description.retryable),
    remedy: description.remedy,
    target: description.target || undefined,
    elapsedMillis: description.elapsedMillis,
    summary: description.summary ?? description.message,
  }
  for (const name of Object.keys(known)) {
    const shown = enumerable && name !== 'summary' && known[name] !== undefined
    Object.defineProperty(error, name, { value: known[name], enumerable: shown, writable: true, configurable: true })
  }
}

function setNetwork(error, { status, target = '' }) {
  const network = NETWORK[status]
  if (network === undefined) return
  error.errno = network.errno ?? -os.constants.errno[network.code]
  error.code = network.code
  error.syscall = network.syscall
  const host = /^\[?(.*?)\]?:(\d+)$/.exec(target)
  if (status === STATUS.resolve) error.hostname = host === null ? target : host[1]
  else {
    error.address = host === null ? target : host[1]
    if (host !== null) error.port = Number(host[2])
  }
}

function messageOf(description) {
  const network = NETWORK[description.status]
  const summary = description.summary ?? description.message
  if (network !== undefined) return `${network.syscall} ${network.code} ${description.target ?? ''}: ${summary}`
  return MESSAGES[description.status] ?? summary
}

/**
 * The error for what the addon describes.
 * @param {object} description status, kind, phase, summary, message, sqlstate, the server's fields, attempts, retryable
 * @returns {HoldfastError}
 */
function toError(description) {
  description = countFault(description)
  if (description.sqlstate && description.severity) {
    const error = new DatabaseError(description.message, messageLength(description), 'error')
    setFields(error, description)
    setHoldfast(error, description, false)
    return error
  }
  const error = new HoldfastError(messageOf(description))
  if (description.sqlstate) error.code = description.sqlstate
  setNetwork(error, description)
  setHoldfast(error, description, true)
  return error
}

/** The notice that the addon describes, for the event of that name. */
function toNotice(description) {
  const notice = new Notice(messageLength(description), description.message)
  setFields(notice, description)
  return notice
}

module.exports = { HoldfastError, DatabaseError, Notice, toError, toNotice }
