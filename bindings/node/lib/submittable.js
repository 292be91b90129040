'use strict'

// Objects with submit(), which speak the wire protocol of node-postgres. There is none of it here: those that are known stay what
// they are, and are served by the library.

const { cursorOf, submitCursor } = require('./cursor')
const { isQueryObject, submitQueryObject } = require('./query-object')

/** @param {import('./client').Client} client */
function submitObject(client, object, callback) {
  if (cursorOf(object) !== undefined) return submitCursor(client, object, callback)
  if (isQueryObject(object)) return submitQueryObject(client, object, callback)
  throw new TypeError('objects with submit() speak the wire protocol themselves, which is not possible here, but for Query, pg-cursor and pg-query-stream: give a text and values instead, and use node-postgres for COPY')
}

module.exports = { submitObject }
