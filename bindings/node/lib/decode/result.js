'use strict'

/** What describes a column: node-postgres' seven properties, in its order. */
class Field {
  constructor(name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format) {
    this.name = name
    this.tableID = tableID
    this.columnID = columnID
    this.dataTypeID = dataTypeID
    this.dataTypeSize = dataTypeSize
    this.dataTypeModifier = dataTypeModifier
    this.format = format
  }
}

/** What a statement gave. */
class Result {
  constructor() {
    /** The first word of the command tag; null for an empty statement. */
    this.command = null
    this.rowCount = null
    /** A number after INSERT, else null. */
    this.oid = null
    this.rows = []
    this.fields = []
  }
}

const TAG = /^([A-Za-z]+)(?: (\d+))?(?: (\d+))?/

/** Tags seen before: programs have few of them. */
const seen = new Map()
const MOST_SEEN = 256

function readTag(tag) {
  const known = seen.get(tag)
  if (known !== undefined) return known
  const read = { command: null, oid: null, rowCount: null }
  const match = TAG.exec(tag)
  if (match !== null) {
    read.command = match[1]
    if (match[3]) {
      read.oid = parseInt(match[2], 10)
      read.rowCount = parseInt(match[3], 10)
    } else if (match[2]) {
      read.rowCount = parseInt(match[2], 10)
    }
  }
  if (seen.size >= MOST_SEEN) seen.clear()
  seen.set(tag, read)
  return read
}

/** Sets command, rowCount and oid from the server's command tag, as node-postgres reads it. */
function applyTag(result, tag) {
  const { command, oid, rowCount } = readTag(tag)
  result.command = command
  result.oid = oid
  result.rowCount = rowCount
}

module.exports = { Result, Field, applyTag }
