'use strict'

const os = require('node:os')
const { messageOf, addressOf, STATUS } = require('./messages')

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

/** What Node's own errors of the network have. */
function setNetwork(error, { status, target }, { code, syscall, errno }) {
  error.errno = errno ?? -os.constants.errno[code]
  error.code = code
  error.syscall = syscall
  const { host, port } = addressOf(target)
  if (status === STATUS.resolve) error.hostname = host
  else {
    error.address = host
    if (port !== undefined) error.port = port
  }
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
  const { message, code, errno, network } = messageOf(description)
  const error = new HoldfastError(message)
  if (description.sqlstate || code) error.code = description.sqlstate || code
  if (errno !== undefined) error.errno = errno
  if (network) setNetwork(error, description, network)
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
