'use strict'

// Rows of a large result in portions: the server is held back while no more are read.

const { addon, promise } = require('../native')
const { decodeResult, Result } = require('../decode')
const { encodeValues } = require('../values')
const { FORMAT, NOOP } = require('.')

const BATCH = 500

/** Reads the result of one statement on a client, which does nothing else from when this is made until it is over. */
class Reader {
  /**
   * @param {import('../client').Client} client
   * @param {{ text: string, values?: unknown[], rowMode?: string, types?: object }} statement
   */
  constructor(client, { text, values, rowMode, types }) {
    this.over = false
    this.result = new Result()
    this._client = client
    this._statement = { text, values }
    this._decoding = { rowMode, types: types ?? client._types, binary: false }
    this._stream = undefined
    this._error = undefined
    /** What was asked for last; portions are read in the order in which they were asked for. */
    this._last = Promise.resolve()
    /** Whether a call runs on a thread: until it returns, the session is of no use to others. */
    this._isCalling = false
    this._turn = client._turns.claim(this)
  }

  /** At most so many further rows; fewer at the end. Once it has failed it fails always. */
  read(count) {
    return this._inOrder(() => this._read(count))
  }

  /** Lets go of what was not read, after the reads that were asked for. */
  close() {
    return this._inOrder(() => this.finish())
  }

  _inOrder(next) {
    const asked = this._last.then(next)
    this._last = asked.catch(NOOP)
    return asked
  }

  async _read(count) {
    if (this._error !== undefined) throw this._error
    const rows = []
    try {
      if (this._stream === undefined && !this.over) await this._open()
      while (rows.length < count && !this.over) {
        const pack = await this._call((tag) => addon.nextOfStream(this._stream, tag, count - rows.length))
        if (pack === undefined) this.finish()
        else {
          this.result = decodeResult(pack, this._decoding)
          for (const row of this.result.rows) rows.push(row)
        }
      }
    } catch (error) {
      this._error = error
      this.finish()
      this._client._failed(error)
      throw error
    }
    return rows
  }

  async _open() {
    await this._turn.begins
    const { text, values } = this._statement
    const fault = this._client._fault()
    if (fault) throw fault
    const encoded = encodeValues(values)
    const stream = await this._call((tag) => addon.openStream(this._client._handle, tag, text, encoded.buffer, encoded.count, FORMAT.automatic))
    // Abandoned meanwhile: nothing else would free it.
    if (this.over) addon.freeStream(stream)
    else this._stream = stream
  }

  async _call(run) {
    this._isCalling = true
    try {
      return await promise(run)
    } finally {
      this._isCalling = false
    }
  }

  /** Lets go: before the end the server is asked to stop before the connection does anything else. */
  finish() {
    if (this.over) return
    this.over = true
    if (this._stream !== undefined) addon.freeStream(this._stream)
    if (this._isCalling) this._last.then(() => this._turn.end())
    else this._turn.end()
  }
}

function batchSize(options) {
  const size = options?.batchSize ?? BATCH
  if (!Number.isInteger(size) || size < 1) throw new TypeError(`batchSize must be a whole number from 1 on, not ${String(size)}`)
  return size
}

/**
 * @param {import('../client').Client} client
 * @param {{ batchSize?: number, rowMode?: string, types?: object, signal?: AbortSignal }} [options]
 */
async function* iterate(client, text, values, options = {}) {
  const size = batchSize(options)
  const fault = client._fault()
  if (fault) throw fault
  if (typeof text !== 'string') throw new TypeError(`iterate takes a text, not ${typeof text}: give iterate(text, values, options)`)
  options.signal?.throwIfAborted()
  const reader = new Reader(client, { text, values, rowMode: options.rowMode, types: options.types })
  try {
    while (!reader.over) {
      options.signal?.throwIfAborted()
      yield* await reader.read(size)
    }
  } finally {
    await reader.close()
  }
}

module.exports = { Reader, iterate }
