'use strict'

// Statements written with their values: sql`select * from item where id = ${id}` is { text: '... id = $1', values: [id] }, which
// every query() takes, node-postgres' as well. What stands in ${} is a parameter, whatever it contains, unless it was made here.

const { escapeIdentifier } = require('../values')

/** Known across copies of this module, as test runners make them. */
const PARTS = Symbol.for('pg-holdfast.sql')

class Sql {
  /** @param {readonly string[]} strings one more than values, between which these stand */
  constructor(strings, values) {
    this.text = strings[0]
    this.values = []
    Object.defineProperty(this, PARTS, { value: { strings, values } })
    values.forEach((value, index) => this._add(value, strings[index + 1]))
  }

  _add(value, text) {
    const parts = value === null || typeof value !== 'object' ? undefined : value[PARTS]
    if (parts === undefined) {
      this.text += `$${this.values.push(value)}`
    } else {
      this.text += parts.strings[0]
      parts.values.forEach((inner, index) => this._add(inner, parts.strings[index + 1]))
    }
    this.text += text
  }
}

function sql(strings, ...values) {
  if (!Array.isArray(strings?.raw)) {
    throw new TypeError('sql is a tag: sql`select ... ${value}`; a text made otherwise goes to query(text, values)')
  }
  // As it is written: a backslash in a statement is the server's.
  return new Sql(strings.raw, values)
}

/** A name, or one with its schema, quoted: sql.identifier('public', 'item'). */
sql.identifier = (...names) => {
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw new TypeError('sql.identifier takes names, which are texts: sql.identifier(schema, table)')
  }
  return new Sql([names.map(escapeIdentifier).join('.')], [])
}

/** Several values or statements, with another one between them, a comma if none is given. */
sql.join = (items, separator = new Sql([', '], [])) => {
  if (!Array.isArray(items) || items.length === 0) {
    throw new TypeError('sql.join takes a list that is not empty: of nothing there is no SQL')
  }
  if (separator === null || typeof separator !== 'object' || separator[PARTS] === undefined) {
    throw new TypeError('what sql.join puts between is SQL: sql.join(conditions, sql` and `)')
  }
  const all = items.flatMap((item, index) => (index === 0 ? [item] : [separator, item]))
  return new Sql(new Array(all.length + 1).fill(''), all)
}

module.exports = { sql }
