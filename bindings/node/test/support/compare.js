'use strict'

const FIELDS = [
  'name', 'message', 'length', 'severity', 'code', 'detail', 'hint', 'position', 'internalPosition', 'internalQuery', 'where',
  'schema', 'table', 'column', 'dataType', 'constraint', 'file', 'line', 'routine',
]

/** Two dates that are none are equal to each other only by name. */
function comparable(value) {
  if (value instanceof Date && Number.isNaN(value.getTime())) return 'Invalid Date'
  if (Array.isArray(value)) return value.map(comparable)
  return value
}

function row(value) {
  if (Array.isArray(value)) return value.map(comparable)
  // Entries show the order of the properties, and one that is called __proto__.
  return { prototype: Object.getPrototypeOf(value), entries: Object.entries(value).map(([name, each]) => [name, comparable(each)]) }
}

/** What of a result is the same with node-postgres: all that its documentation names. */
function ofResult(result) {
  if (Array.isArray(result)) return result.map(ofResult)
  const { command, rowCount, oid, rows, fields } = result
  return { command, rowCount, oid, rows: rows.map(row), fields: fields.map((field) => Object.entries(field)) }
}

/** All fields of an error, whatever its class. */
function ofError(error) {
  return Object.fromEntries(FIELDS.map((name) => [name, error[name]]))
}

/** Runs something and tells how it ended, so that it can be compared with another. */
async function outcome(run) {
  try {
    return { result: ofResult(await run()) }
  } catch (error) {
    return { error: ofError(error), stack: error.stack }
  }
}

module.exports = { outcome }
