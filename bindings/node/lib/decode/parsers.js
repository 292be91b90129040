'use strict'

const types = require('pg-types')
const textParsers = require('pg-types/lib/textParsers')
const { dateOfText } = require('./date-text')

/**
 * Which parsers are pg-types' own, so that values which came in binary need not become text first. Parsers are looked at
 * anew for each result, since `types.setTypeParser` takes effect at once.
 */

const builtin = new Map()
// Asked of the module that has them, as a program may have set others already when this is loaded.
textParsers.init((oid, parser) => builtin.set(oid, parser))

/** What pg-types gives for types it does not know. */
const noParse = types.getTypeParser(-1, 'text')

const INT8 = 20
/** Types that come in binary and whose values the pack has as pg-types would give them. */
const ready = new Set([16, 17, INT8, 21, 23, 26, 700, 701, 1082, 1114, 1184])

const parseDate = builtin.get(1184)
const readDate = (text) => dateOfText(text) ?? parseDate(text)

/**
 * How values of a column of this type, whose parser that is, are got: null where the pack has them already as that parser
 * would make them of the server's text, which for text is where nothing is to be parsed; else what is called with the text.
 */
function readerFor(parser, oid, isText) {
  if (parser === noParse || parser === String) return isText ? null : parser
  if (!isText) return ready.has(oid) && parser === builtin.get(oid) ? null : parser
  if (parser === parseDate) return readDate
  return oid === INT8 && parser === builtin.get(INT8) ? null : parser
}

module.exports = { types, readerFor }
