'use strict'

/** Writes packs, laid out as holdfast.h says, so that decoding is tested where no server can bring it about. */

const KINDS = { bool: 1, i32: 2, i64: 3, u32: 4, f64: 5, days: 6, micros: 7, text: 8, bytes: 9 }
const TYPES = { bool: 16, i32: 23, i64: 20, u32: 26, f64: 701, days: 1082, micros: 1184, text: 25, bytes: 17 }

const writers = {
  bool: [1, (out, value, at) => out.writeUInt8(Number(value), at)],
  i32: [4, (out, value, at) => out.writeInt32LE(value, at)],
  u32: [4, (out, value, at) => out.writeUInt32LE(value, at)],
  days: [4, (out, value, at) => out.writeInt32LE(value, at)],
  i64: [8, (out, value, at) => out.writeBigInt64LE(value, at)],
  micros: [8, (out, value, at) => out.writeBigInt64LE(value, at)],
  f64: [8, (out, value, at) => out.writeDoubleLE(value, at)],
}

class Writer {
  constructor() {
    this.parts = []
    this.size = 0
  }

  put(bytes) {
    const at = this.size
    this.parts.push(bytes)
    this.size += bytes.length
    return at
  }

  align() {
    this.put(Buffer.alloc((8 - (this.size % 8)) % 8))
  }

  words(list) {
    return this.put(Buffer.from(Int32Array.from(list).buffer))
  }
}

function writeValues(out, kind, values) {
  out.align()
  if (kind in writers) {
    const [width, write] = writers[kind]
    const bytes = Buffer.alloc(width * values.length)
    values.forEach((value, i) => value !== null && write(bytes, value, i * width))
    return { valuesAt: out.put(bytes), arenaAt: 0, ascii: false }
  }
  const cells = values.map((value) => (value === null ? Buffer.alloc(0) : Buffer.from(value)))
  const places = [0]
  for (const cell of cells) places.push(places[places.length - 1] + cell.length)
  const valuesAt = out.words(places)
  const arena = Buffer.concat(cells)
  return { valuesAt, arenaAt: out.put(arena), ascii: kind === 'text' && arena.every((byte) => byte < 128) }
}

/**
 * @param {string} tag the command tag
 * @param {{ name: string, kind: string, values: unknown[], type?: number, format?: number }[]} columns
 */
function writePack(tag, columns) {
  const body = new Writer()
  const start = 48 + 64 * columns.length
  body.put(Buffer.alloc(start))
  const tagAt = body.put(Buffer.from(tag + '\0'))
  const described = columns.map(({ name, kind, values, type = TYPES[kind], format = kind === 'text' ? 0 : 1 }) => {
    const nameBytes = Buffer.from(name)
    const nameAt = body.put(nameBytes)
    const { valuesAt, arenaAt, ascii } = writeValues(body, kind, values)
    body.align()
    let nullsAt = 0
    if (values.includes(null)) {
      const bits = Buffer.alloc(Math.ceil(values.length / 8))
      values.forEach((value, row) => value === null && (bits[row >> 3] |= 1 << (row & 7)))
      nullsAt = body.put(bits)
    }
    const flags = (nullsAt ? 1 : 0) | (ascii ? 2 : 0)
    return [type, KINDS[kind], flags, format, nameAt, nameBytes.length, 0, 0, 4, -1, nullsAt, valuesAt, 0, arenaAt, 0, 0]
  })
  body.align()
  const pack = Buffer.alloc(body.size)
  Buffer.concat(body.parts).copy(pack)
  const rows = columns.length === 0 ? 0 : columns[0].values.length
  const header = [0x4b504648, 1, body.size, rows, columns.length, 48, 64, tagAt, Buffer.byteLength(tag)]
  header.forEach((word, i) => pack.writeUInt32LE(word >>> 0, i * 4))
  described.forEach((words, c) => words.forEach((word, i) => pack.writeUInt32LE(word >>> 0, 48 + c * 64 + i * 4)))
  return pack
}

module.exports = { writePack }
