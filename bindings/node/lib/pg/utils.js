'use strict'

const { prepareValue, escapeIdentifier, escapeLiteral } = require('../values')

/** A query as an object, of what node-postgres' query() takes. */
function normalizeQueryConfig(config, values, callback) {
  const query = typeof config === 'string' ? { text: config } : config
  if (values) {
    if (typeof values === 'function') query.callback = values
    else query.values = values
  }
  if (callback) query.callback = callback
  return query
}

module.exports = { prepareValue, normalizeQueryConfig, escapeIdentifier, escapeLiteral }
