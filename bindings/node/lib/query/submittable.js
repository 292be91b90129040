'use strict'

// Objects with submit(), which speak the wire protocol of node-postgres. There is none of it here: those that are known stay what
// they are, and are served by the library.

const { cursorOf, submitCursor } = require('./cursor')
const { isCopyIn, isCopyOut, submitCopyIn, submitCopyOut } = require('./copy-stream')
const { isQueryObject, submitQueryObject } = require('./object')

/** @param {import('../client').Client} client */
function submitObject(client, object, callback) {
  if (cursorOf(object) !== undefined) return submitCursor(client, object, callback)
  if (isCopyIn(object)) return submitCopyIn(client, object)
  if (isCopyOut(object)) return submitCopyOut(client, object)
  if (isQueryObject(object)) return submitQueryObject(client, object, callback)
  throw new TypeError('objects with submit() speak the wire protocol themselves, which is not possible here, but for Query, pg-cursor, pg-query-stream and the streams into and out of tables of pg-copy-streams: give a text and values instead')
}

module.exports = { submitObject }
