'use strict'

// What is kept out of console.log and of copies: passwords, keys, and what a client shows nothing with.

const { inspect } = require('node:util')

/** Gives an object a property that does not show. Returns the object. */
function hide(object, name, value) {
  return Object.defineProperty(object, name, { configurable: true, enumerable: false, writable: true, value })
}

const PASSWORD_OF_URL = /^([^:]*:\/\/[^:@/?#]*):.*(?=@)/s
const PASSWORD_OF_PAIRS = /\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|(?:[^\s&\\]|\\.)*)/gs

/** A connection string without the password in it. */
function withoutPassword(text) {
  return String(text).replace(PASSWORD_OF_URL, '$1:***').replace(PASSWORD_OF_PAIRS, '$1***')
}

/**
 * Options whose connection string is shown without its password. The string itself stays as it is, and is copied with the rest.
 */
function shownWithoutPassword(options) {
  return hide(options, inspect.custom, function shown(depth, how) {
    const copy = { ...this }
    if (copy.connectionString) copy.connectionString = withoutPassword(copy.connectionString)
    return inspect(copy, how)
  })
}

/** A copy, since hiding the key in the program's own object would hide it from a program that copies that. */
function withHiddenKey(ssl) {
  if (typeof ssl !== 'object') return ssl
  const copy = { ...ssl }
  for (const name of ['key', 'passphrase']) if (ssl[name] !== undefined) hide(copy, name, ssl[name])
  return copy
}

/** A copy of a pool's or client's options, in which secrets do not show. They are copied from one that has them hidden, too. */
function copyOptions(given) {
  const options = typeof given === 'string' ? { connectionString: given } : { ...given }
  for (const name of ['password', 'sslpassword']) if (given?.[name] !== undefined) hide(options, name, given[name])
  if (options.ssl) options.ssl = withHiddenKey(options.ssl)
  return shownWithoutPassword(options)
}

module.exports = { hide, withoutPassword, copyOptions }
