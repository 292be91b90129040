'use strict'

const types = require('pg-types')

/** Parsers of one client or pool, over those of `types`, which the program gave, or pg-types'. As in node-postgres. */
class TypeOverrides {
  constructor(userTypes) {
    this._types = userTypes || types
    this.text = {}
    this.binary = {}
  }

  getOverrides(format) {
    switch (format) {
      case 'text':
        return this.text
      case 'binary':
        return this.binary
      default:
        return {}
    }
  }

  setTypeParser(oid, format, parser) {
    if (typeof format === 'function') {
      parser = format
      format = 'text'
    }
    this.getOverrides(format)[oid] = parser
  }

  getTypeParser(oid, format) {
    format = format || 'text'
    return this.getOverrides(format)[oid] || this._types.getTypeParser(oid, format)
  }
}

module.exports = TypeOverrides
