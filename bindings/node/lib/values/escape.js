'use strict'

/** A name, quoted for SQL. */
function escapeIdentifier(name) {
  return '"' + name.replace(/"/g, '""') + '"'
}

/** A text as a literal of SQL; what is no text becomes the empty one, as in node-postgres. */
function escapeLiteral(text) {
  if (typeof text !== 'string') return "''"
  const quoted = "'" + text.replace(/['\\]/g, '$&$&') + "'"
  return text.includes('\\') ? ' E' + quoted : quoted
}

module.exports = { escapeIdentifier, escapeLiteral }
