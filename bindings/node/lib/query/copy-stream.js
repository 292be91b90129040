'use strict'

// pg-copy-streams: its objects stay what they are, streams, but write and read through the library, which holds the server back or
// is held back by it.

const { addon, promise } = require('../native')
const { NOOP } = require('.')

/** What is read at a time. */
const READ_BYTES = 65536

const isCopy = (object) => typeof object.text === 'string' && typeof object.pipe === 'function' && typeof object.handleCommandComplete === 'function'
/** A stream into a table, as copy-from makes it. */
const isCopyIn = (object) => isCopy(object) && typeof object._write === 'function' && typeof object._read !== 'function'
/** A stream out of a table, as copy-to makes it. */
const isCopyOut = (object) => isCopy(object) && typeof object._read === 'function' && typeof object._write !== 'function'

/** One COPY on a client, which does nothing else until it is over. */
class Copy {
  /**
   * @param {import('../client').Client} client
   * @param {(handle: number, tag: number, text: string) => unknown} open
   * @param {(copy: number) => void} free
   */
  constructor(client, text, open, free) {
    this.over = false
    this._client = client
    this._free = free
    /** The call that runs on a thread: until it returns, the session is of no use to others. */
    this._running = Promise.resolve()
    this._turn = client._turns.claim(this)
    this.opened = this._open(text, open)
    this.opened.catch(NOOP)
  }

  async _open(text, open) {
    await this._turn.begins
    const client = this._client
    const fault = client._fault()
    if (fault) throw fault
    if (this.over) throw new Error('the copy was given up before it began')
    const copy = await promise((tag) => open(client._handle, tag, text))
    // Given up meanwhile.
    if (this.over) this._free(copy)
    this._copy = copy
    return copy
  }

  /** Runs a call on the copy, one after the other; after a failure it is over. */
  async call(run) {
    try {
      const copy = await this.opened
      const answer = promise((tag) => run(copy, tag))
      this._running = answer.catch(NOOP)
      return await answer
    } catch (error) {
      this.finish()
      this._client._failed(error)
      throw error
    }
  }

  /** Lets go of it: before its end the server is asked to stop before the connection does anything else. */
  finish() {
    if (this.over) return
    this.over = true
    if (this._copy !== undefined) this._free(this._copy)
    this.opened.catch(NOOP).then(() => this._running).then(() => this._turn.end())
  }
}

/** @param {import('node:stream').Writable} stream */
function submitCopyIn(client, stream) {
  const copy = new Copy(client, stream.text, addon.openCopyIn, addon.freeCopyIn)
  const told = (answer, callback) => answer.then(() => callback(), callback)
  stream._write = (chunk, encoding, callback) => told(copy.call((handle, tag) => addon.writeCopyIn(handle, tag, chunk)), callback)
  stream._writev = (chunks, callback) => stream._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), undefined, callback)
  stream._final = (callback) => told(copy.call((handle, tag) => addon.finishCopyIn(handle, tag)).then((rows) => {
    stream.rowCount = rows
    copy.finish()
  }), callback)
  stream._destroy = (error, callback) => {
    if (copy.over) {
      callback(error)
      return
    }
    const reason = error ? error.message : 'the stream was destroyed'
    copy.call((handle, tag) => addon.abortCopyIn(handle, tag, reason)).catch(NOOP).then(() => {
      copy.finish()
      callback(error)
    })
  }
  copy.opened.then(() => stream.destroyed || stream.uncork(), (error) => {
    copy.finish()
    stream.destroy(error)
  })
  return stream
}

/** @param {import('node:stream').Readable} stream */
function submitCopyOut(client, stream) {
  const copy = new Copy(client, stream.text, addon.openCopyOut, addon.freeCopyOut)
  stream._read = () => {
    copy.call((handle, tag) => addon.readCopyOut(handle, tag, READ_BYTES)).then((data) => {
      if (typeof data !== 'number') {
        stream.push(data)
        return
      }
      stream.rowCount = data
      copy.finish()
      stream.push(null)
    }, (error) => stream.destroy(error))
  }
  stream._destroy = (error, callback) => {
    copy.finish()
    callback(error)
  }
  return stream
}

module.exports = { isCopyIn, isCopyOut, submitCopyIn, submitCopyOut }
