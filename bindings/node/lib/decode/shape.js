'use strict'

const { COLUMN } = require('./pack')
const { Field } = require('./result')

/**
 * The shape of a result: its columns, without the values. Each is found again by its columns, and has a function that makes
 * rows of values. That function is an object literal under the columns' names, so that all rows have one hidden class.
 */

/** Words of a description that make up a shape; the rest says where values are. */
const DESCRIBED = [COLUMN.type, COLUMN.format, COLUMN.nameLength, COLUMN.table, COLUMN.number, COLUMN.size, COLUMN.modifier]

const MOST_SHAPES = 2000
/** Beyond that many columns an object literal is of no use to the engine. */
const MOST_IN_LITERAL = 500

class Shape {
  constructor(names, numbers, nameBytes) {
    this.names = names
    this.numbers = numbers
    this.nameBytes = nameBytes
    this.objects = undefined
    this.arrays = undefined
  }

  /** Fields of their own for each result, since they are the caller's to change. */
  fields() {
    const fields = new Array(this.names.length)
    const numbers = this.numbers
    for (let i = 0, n = 0; i < fields.length; i++, n += DESCRIBED.length) {
      const format = numbers[n + 1] === 1 ? 'binary' : 'text'
      fields[i] = new Field(
        this.names[i], numbers[n + 3] >>> 0, numbers[n + 4], numbers[n] >>> 0, numbers[n + 5], numbers[n + 6], format
      )
    }
    return fields
  }

  /** `(cells, count, rows)`: appends so many rows, of values column by column. */
  appender(asArray) {
    if (asArray) return (this.arrays ??= appendArrays(this.names.length))
    return (this.objects ??= appendObjects(this.names))
  }
}

/** The source of a function that appends rows made by an expression over the values of each. */
function compile(width, row) {
  const offsets = Array.from({ length: width }, (_, i) => `const o${i} = ${i} * count`).join('\n')
  const source = `${offsets}\nfor (let r = 0; r < count; r++) rows.push(${row})`
  return new Function('cells', 'count', 'rows', source)
}

/** The last column of each name, in order of the first. */
function lastOfEach(names) {
  const last = new Map()
  names.forEach((name, index) => last.set(name, index))
  return last
}

function appendObjects(names) {
  const last = lastOfEach(names)
  if (names.length <= MOST_IN_LITERAL) {
    // In brackets a name is itself; without, __proto__ would set the prototype.
    const key = (name) => (name === '__proto__' ? '["__proto__"]' : JSON.stringify(name))
    const literal = [...last].map(([name, index]) => `${key(name)}: cells[o${index} + r]`)
    try {
      return compile(names.length, `{ ${literal.join(', ')} }`)
    } catch (error) {
      if (!(error instanceof EvalError)) throw error
    }
  }
  return slowObjects([...last])
}

/** For where code may not be made of text. */
function slowObjects(properties) {
  return (cells, count, rows) => {
    for (let r = 0; r < count; r++) {
      const row = {}
      for (const [name, index] of properties) {
        const value = cells[index * count + r]
        if (name === '__proto__') {
          Object.defineProperty(row, name, { value, writable: true, enumerable: true, configurable: true })
        } else {
          row[name] = value
        }
      }
      rows.push(row)
    }
  }
}

function appendArrays(width) {
  if (width <= MOST_IN_LITERAL) {
    try {
      return compile(width, `[${Array.from({ length: width }, (_, i) => `cells[o${i} + r]`).join(', ')}]`)
    } catch (error) {
      if (!(error instanceof EvalError)) throw error
    }
  }
  return (cells, count, rows) => {
    for (let r = 0; r < count; r++) {
      const row = []
      for (let i = 0; i < width; i++) row.push(cells[i * count + r])
      rows.push(row)
    }
  }
}

/** By hash, the shapes that have it. */
const known = new Map()
let knownCount = 0

function hashOf({ bytes, words }, at, first, step, width) {
  let hash = width
  for (let c = 0, column = first; c < width; c++, column += step) {
    for (let i = 0; i < DESCRIBED.length; i++) hash = Math.imul(hash ^ words[column + DESCRIBED[i]], 0x01000193)
    const name = at + (words[column + COLUMN.nameAt] >>> 0)
    const end = name + words[column + COLUMN.nameLength]
    for (let i = name; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193)
  }
  return hash & 0x3fffffff
}

function isThis(shape, { bytes, words }, at, first, step, width) {
  const { names, numbers, nameBytes } = shape
  if (names.length !== width) return false
  let number = 0
  let byte = 0
  for (let c = 0, column = first; c < width; c++, column += step) {
    for (let i = 0; i < DESCRIBED.length; i++) if (numbers[number++] !== words[column + DESCRIBED[i]]) return false
    const name = at + (words[column + COLUMN.nameAt] >>> 0)
    const end = name + words[column + COLUMN.nameLength]
    for (let i = name; i < end; i++) if (nameBytes[byte++] !== bytes[i]) return false
  }
  return true
}

function make({ bytes, words }, at, first, step, width) {
  const names = []
  const numbers = new Int32Array(width * DESCRIBED.length)
  const parts = []
  for (let c = 0, column = first; c < width; c++, column += step) {
    for (let i = 0; i < DESCRIBED.length; i++) numbers[c * DESCRIBED.length + i] = words[column + DESCRIBED[i]]
    const name = at + (words[column + COLUMN.nameAt] >>> 0)
    const end = name + words[column + COLUMN.nameLength]
    names.push(bytes.utf8Slice(name, end))
    parts.push(bytes.subarray(name, end))
  }
  return new Shape(names, numbers, new Uint8Array(Buffer.concat(parts)))
}

/** The shape of the columns that are described from the word `first` on, every `step` words. */
function shapeOf(buffer, at, first, step, width) {
  const hash = hashOf(buffer, at, first, step, width)
  let shapes = known.get(hash)
  if (shapes !== undefined) {
    for (let i = 0; i < shapes.length; i++) if (isThis(shapes[i], buffer, at, first, step, width)) return shapes[i]
  }
  // A program that makes up column names without end must not fill the memory with them.
  if (knownCount >= MOST_SHAPES) {
    known.clear()
    knownCount = 0
    shapes = undefined
  }
  const shape = make(buffer, at, first, step, width)
  if (shapes === undefined) known.set(hash, (shapes = []))
  shapes.push(shape)
  knownCount += 1
  return shape
}

module.exports = { shapeOf }
