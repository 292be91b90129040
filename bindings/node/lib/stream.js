'use strict'

// Rows of a large result in portions: the server is held back while nobody asks for more.

const { addon, promise } = require('./native')
const { decodeResult } = require('./decode')
const { encodeValues } = require('./values')
const { FORMAT } = require('./query')

const BATCH = 500

function batchSize(options) {
  const size = options?.batchSize ?? BATCH
  if (!Number.isInteger(size) || size < 1) throw new TypeError(`batchSize must be a whole number from 1 on, not ${String(size)}`)
  return size
}

/**
 * @param {import('./client').Client} client on which nothing else runs meanwhile
 * @param {{ batchSize?: number, rowMode?: string, types?: object, signal?: AbortSignal }} [options]
 */
async function* iterate(client, text, values, options = {}) {
  const size = batchSize(options)
  const fault = client._fault()
  if (fault) throw fault
  if (typeof text !== 'string') throw new TypeError(`iterate takes a text, not ${typeof text}: give iterate(text, values, options)`)
  const decoding = { rowMode: options.rowMode, types: options.types ?? client._types, binary: false }
  await client._idle()
  options.signal?.throwIfAborted()
  const encoded = encodeValues(values)
  const stream = await promise((tag) =>
    addon.openStream(client._handle, tag, text, encoded.buffer, encoded.count, FORMAT.automatic))
  try {
    for (;;) {
      options.signal?.throwIfAborted()
      const pack = await promise((tag) => addon.nextOfStream(stream, tag, size))
      if (pack === undefined) return
      yield* decodeResult(pack, decoding).rows
    }
  } finally {
    // Before the end, the server is asked to stop before the connection does anything else.
    addon.freeStream(stream)
  }
}

module.exports = { iterate }
