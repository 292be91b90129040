'use strict'

const { isDate } = require('util/types')
const { localText, utcText } = require('./dates')

/** What node-postgres has in `defaults` about parameters. */
const settings = { parseInputDatesAsUTC: false }

function asBuffer(view) {
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}

/** An array as the server writes one. The separator is a comma, so it is of no use for arrays of box. */
function arrayText(values) {
  let text = '{'
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ','
    const item = values[i]
    if (item == null) text += 'NULL'
    else if (Array.isArray(item)) text += arrayText(item)
    else if (ArrayBuffer.isView(item)) text += '\\\\x' + asBuffer(item).toString('hex')
    else text += quoted(prepare(item))
  }
  return text + '}'
}

function quoted(item) {
  // What toPostgres gave may be null or bytes, and fails here as it does in node-postgres.
  return '"' + item.replace(/\\/g, '\\\\').replace(/"/g, '\\"') + '"'
}

function prepareObject(value, seen) {
  if (typeof value.toPostgres !== 'function') return JSON.stringify(value)
  seen = seen || []
  if (seen.includes(value)) throw new Error('circular reference detected while preparing "' + value + '" for query')
  seen.push(value)
  return prepare(value.toPostgres(prepare), seen)
}

function prepare(value, seen) {
  if (value == null) return null
  if (typeof value !== 'object') return value.toString()
  if (ArrayBuffer.isView(value)) return asBuffer(value)
  if (isDate(value)) return settings.parseInputDatesAsUTC ? utcText(value) : localText(value)
  if (Array.isArray(value)) return arrayText(value)
  return prepareObject(value, seen)
}

/**
 * What is sent for a JavaScript value: null, text, or a Buffer of a binary value. As node-postgres' `utils.prepareValue`.
 * @param {unknown} value
 * @returns {string | Buffer | null}
 */
function prepareValue(value) {
  return prepare(value)
}

module.exports = { prepareValue, settings }
