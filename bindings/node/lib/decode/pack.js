'use strict'

const { isUint8Array } = require('node:util/types')

/**
 * The layout of a pack, as `holdfast_pack_header` and `holdfast_pack_column` in holdfast.h have it, counted in words of 32
 * bits so that one `Int32Array` over the buffer reads all of it.
 */
const MAGIC = 0x4b504648
const VERSION = 1

/** Words of the header. */
const HEADER = { magic: 0, version: 1, size: 2, rows: 3, columns: 4, columnsAt: 5, columnSize: 6, tagAt: 7, tagLength: 8 }

/** Words of a column's description. */
const COLUMN = {
  type: 0,
  kind: 1,
  flags: 2,
  format: 3,
  nameAt: 4,
  nameLength: 5,
  table: 6,
  number: 7,
  size: 8,
  modifier: 9,
  nullsAt: 10,
  valuesAt: 11,
  arenaAt: 13,
}

/** How values are laid out. */
const KIND = { bool: 1, i32: 2, i64: 3, u32: 4, f64: 5, days: 6, micros: 7, text: 8, bytes: 9 }

const HAS_NULLS = 1
const ASCII = 2

/** A buffer with packs in it, and views of it: the views are made once, however many packs there are. */
class PackBuffer {
  /** @param {Uint8Array} bytes whose memory is not written to as long as anything is decoded from it */
  constructor(bytes) {
    if (!isUint8Array(bytes)) {
      throw new TypeError(`a pack must be a Uint8Array or a Buffer, got ${bytes === null ? 'null' : typeof bytes}: hand over what the addon gave`)
    }
    // The words are at multiples of 8 from the beginning of the pack, so it has to begin at one itself.
    if (bytes.byteOffset % 8 !== 0) bytes = new Uint8Array(bytes)
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
    this.doublesMade = null
  }

  /** The same memory as numbers of 64 bits; few results need it. */
  get doubles() {
    const bytes = this.bytes
    this.doublesMade ??= new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 3)
    return this.doublesMade
  }
}

/** Whether at this place, a multiple of 8, begins a pack that this version can read; throws if not. */
function checkPack(buffer, at) {
  const word = at >>> 2
  const words = buffer.words
  if (words[word + HEADER.magic] !== MAGIC) {
    const found = (words[word + HEADER.magic] >>> 0).toString(16)
    throw new Error(`there is no pack at byte ${at}: it begins with 0x${found}, not with 0x${MAGIC.toString(16)}; hand over what holdfast_result_pack made`)
  }
  if (words[word + HEADER.version] !== VERSION) {
    throw new Error(`the pack is of version ${words[word + HEADER.version]} and this package reads version ${VERSION}: the addon and lib/ are of different releases, so install again`)
  }
  if (at + (words[word + HEADER.size] >>> 0) > buffer.bytes.length) {
    throw new Error(`the pack has ${words[word + HEADER.size] >>> 0} bytes and only ${buffer.bytes.length - at} are there: it was cut off`)
  }
}

module.exports = { PackBuffer, checkPack, HEADER, COLUMN, KIND, HAS_NULLS, ASCII }
