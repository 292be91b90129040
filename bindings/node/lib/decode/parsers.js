'use strict'

const types = require('pg-types')
const textParsers = require('pg-types/lib/textParsers')

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

/**
 * Whether this parser, of a column of this type, makes of the server's text what the pack has already. For text that is
 * the case where nothing is to be parsed.
 */
function isFast(parser, oid, isText) {
  if (parser === noParse || parser === String) return isText
  if (isText) return oid === INT8 && parser === builtin.get(INT8)
  return ready.has(oid) && parser === builtin.get(oid)
}

module.exports = { types, isFast }
