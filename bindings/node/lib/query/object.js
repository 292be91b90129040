'use strict'

const { EventEmitter } = require('node:events')
const { readQuery } = require('.')

/**
 * node-postgres' Query: handed to client.query(), which returns it. It tells of its rows, its end and its error by events, and
 * to its callback.
 */
class Query extends EventEmitter {
  constructor(config, values, callback) {
    super()
    const given = typeof config === 'string' ? { text: config } : { ...config }
    if (typeof values === 'function') given.callback = values
    else if (values) given.values = values
    if (callback) given.callback = callback
    this.text = given.text
    this.values = given.values
    this.rows = given.rows
    this.types = given.types
    this.name = given.name
    this.queryMode = given.queryMode
    this.binary = given.binary
    this.portal = given.portal || ''
    this.callback = given.callback
    this._rowMode = given.rowMode
  }

  /** node-postgres' client calls it with its connection; here the client reads what it is. */
  submit() {
    throw new TypeError('a Query is for client.query(query): there is no connection of node-postgres for it to write to')
  }
}

/** Whether it is such an object, this package's or node-postgres' own. */
function isQueryObject(object) {
  if (object instanceof Query) return true
  return typeof object.handleRowDescription === 'function' && typeof object.requiresPreparation === 'function' && typeof object.emit === 'function'
}

function tellRows(object, results) {
  if (object.listenerCount('row') === 0) return
  for (const result of [results].flat()) {
    for (const row of result.rows) object.emit('row', row, result)
    // As there: a program that takes them one by one does not get them again.
    if (!object.callback) result.rows = []
  }
}

/**
 * @param {import('../client').Client} client
 * @param {Query} object it is returned as it is
 */
function submitQueryObject(client, object, callback) {
  if (typeof callback === 'function') object.callback ??= callback
  const { text, values, name, types, binary, queryMode, _rowMode: rowMode } = object
  const query = readQuery({ text, values, name, types, binary, queryMode, rowMode })
  query.callback = (error, results) => {
    if (error) {
      if (object.callback) object.callback(error)
      else object.emit('error', error)
      return
    }
    tellRows(object, results)
    if (object.callback) object.callback(null, results)
    object.emit('end', results)
  }
  query.promised()
  client._submit(query)
  return object
}

module.exports = { Query, isQueryObject, submitQueryObject }
