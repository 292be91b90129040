'use strict'

// pg-cursor and pg-query-stream, which ORMs read large results with. They speak the wire protocol of node-postgres, which there is
// none of here: so their objects stay what they are, but read and close through the library.

const { Reader } = require('./stream')
const { nextTick } = require('../node/timers')

/** What a cursor of pg-cursor has, or the one inside a pg-query-stream. */
function cursorOf(object) {
  const cursor = object.cursor ?? object
  const is = typeof cursor.read === 'function' && typeof cursor.close === 'function' && typeof cursor.text === 'string'
  return is ? cursor : undefined
}

/** As pg-cursor answers: to a callback, or by a promise. */
function answered(answer, callback, Promise) {
  if (callback === undefined) return new Promise((resolve, reject) => answer.then(resolve, reject))
  answer.then((rows) => nextTick(callback, null, rows), (error) => nextTick(callback, error))
  return undefined
}

/**
 * @param {import('../client').Client} client
 * @param {object} object a cursor or a stream; it is returned as it is
 */
function submitCursor(client, object, callback) {
  const cursor = cursorOf(object)
  if (typeof callback === 'function') object.callback ??= callback
  const { rowMode, types, Promise = global.Promise } = cursor._conf ?? {}
  const reader = new Reader(client, { text: cursor.text, values: cursor.values, rowMode, types })
  let told = false
  const ended = () => {
    if (!reader.over || told) return
    told = true
    cursor.state = 'done'
    cursor.emit('end', reader.result)
  }
  const read = async (count) => {
    try {
      const rows = await reader.read(count)
      if (cursor.listenerCount('row') > 0) for (const row of rows) cursor.emit('row', row, reader.result)
      nextTick(ended)
      return rows
    } catch (error) {
      // Told once, and not as an end.
      if (!told && cursor.listenerCount('error') > 0) cursor.emit('error', error)
      told = true
      cursor.state = 'error'
      throw error
    }
  }
  const close = async () => {
    await reader.close()
    ended()
  }
  cursor.state = 'submitted'
  cursor.read = (count, whenRead) => answered(read(count), whenRead && ((error, rows) => whenRead(error, rows, reader.result)), Promise)
  cursor.close = (whenClosed) => answered(close(), whenClosed, Promise)
  return object
}

module.exports = { cursorOf, submitCursor }
