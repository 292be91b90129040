'use strict'

// The message and code of a failure, as node-postgres and Node have them where they do: the same each time, so that errors can be
// grouped and shown. What varies (ages, attempts, the pool's figures) is in the summary and in fields.

const util = require('node:util')

/** Numbers of statuses, for the tables below. */
const STATUS = {
  resolve: 2, refused: 3, unreachable: 4, tls: 5, connectTimeout: 9, poolTimeout: 10, circuitOpen: 11, poolClosed: 12, connectionLost: 13,
  queryTimeout: 14, commitUnknown: 16, overloaded: 19, localLimit: 20,
}

const MESSAGES = {
  // node-postgres' own, which programs compare.
  [STATUS.connectTimeout]: 'Connection terminated due to connection timeout',
  [STATUS.poolTimeout]: 'timeout exceeded when trying to connect',
  [STATUS.poolClosed]: 'Cannot use a pool after calling end on the pool',
  [STATUS.connectionLost]: 'Connection terminated unexpectedly',
  [STATUS.queryTimeout]: 'Query read timeout',
  // For what it does not know.
  [STATUS.circuitOpen]: 'the server cannot be reached, and calls fail at once until it can',
  [STATUS.commitUnknown]: 'the connection was lost during COMMIT: whether the transaction took effect is not known',
  [STATUS.overloaded]: 'too many callers wait for a connection',
}

/** What Node's own errors have for these. */
const NETWORK = {
  [STATUS.resolve]: { code: 'ENOTFOUND', syscall: 'getaddrinfo', errno: -3008 },
  [STATUS.refused]: { code: 'ECONNREFUSED', syscall: 'connect' },
  [STATUS.unreachable]: { code: 'EHOSTUNREACH', syscall: 'connect' },
}

/** What OpenSSL says of a certificate, and Node's code for it. The longer comes before what it begins with. */
const CERTIFICATE = [
  ['self-signed certificate in certificate chain', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ['self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['unable to get local issuer certificate', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ['unable to get issuer certificate', 'UNABLE_TO_GET_ISSUER_CERT'],
  ['unable to verify the first certificate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['certificate has expired', 'CERT_HAS_EXPIRED'],
  ['certificate is not yet valid', 'CERT_NOT_YET_VALID'],
  ['certificate revoked', 'CERT_REVOKED'],
  ['unable to get certificate CRL', 'UNABLE_TO_GET_CRL'],
  ['CRL has expired', 'CRL_HAS_EXPIRED'],
  ['CRL is not yet valid', 'CRL_NOT_YET_VALID'],
  ['certificate signature failure', 'CERT_SIGNATURE_FAILURE'],
  ['certificate not trusted', 'CERT_UNTRUSTED'],
  ['certificate rejected', 'CERT_REJECTED'],
  ['invalid CA certificate', 'INVALID_CA'],
]
const VERIFY_FAILED = /certificate verify failed[^]*?:: (.*)/
const NAME_MISMATCH = /(?:hostname|IP address|email address) mismatch/i
const SSL_REASON = /error:[\dA-F]+:SSL routines:[^:]*:([^:]+)/
const NO_TLS = /the server does not support TLS/

/** Node's code for a failure of TLS, and a message like Node's. */
function ofTls(summary) {
  if (NO_TLS.test(summary)) return { message: 'The server does not support SSL connections' }
  const [, verified] = VERIFY_FAILED.exec(summary) ?? []
  if (verified !== undefined) {
    if (NAME_MISMATCH.test(verified)) return { message: "Hostname/IP does not match certificate's altnames", code: 'ERR_TLS_CERT_ALTNAME_INVALID' }
    const [message, code] = CERTIFICATE.find(([text]) => verified.startsWith(text)) ?? ['certificate verify failed', 'ERR_SSL_CERTIFICATE_VERIFY_FAILED']
    return { message, code }
  }
  const [, reason] = SSL_REASON.exec(summary) ?? []
  if (reason !== undefined) return { message: `TLS handshake failed: ${reason}`, code: `ERR_SSL_${reason.trim().toUpperCase().replace(/[^A-Z\d]+/g, '_')}` }
  return { message: firstLine(summary), code: 'EPROTO' }
}

const AGE = / \(found out [^)]*\)/g
const VARYING = /(?: \[[^\]]*\])?; (?:gave up after|\d+ attempts?:|pool:)[^]*$/

/** What of a summary is the same each time. */
function firstLine(summary) {
  return summary.replace(VARYING, '').replace(AGE, '')
}

/** The first of the addresses that were tried, as host and port. */
function addressOf(target = '') {
  const [first] = target.split(', ')
  const [, host = first, port] = /^\[?(.*?)\]?:(\d+)$/.exec(first) ?? []
  return { host, port: port === undefined ? undefined : Number(port), text: first }
}

/** @returns {{ message: string, code?: string, errno?: number, network?: object }} */
function messageOf({ status, summary, message, target, osError }) {
  const line = summary ?? message ?? ''
  const network = NETWORK[status]
  if (network !== undefined) {
    const { host, text } = addressOf(target)
    return { message: `${network.syscall} ${network.code} ${status === STATUS.resolve ? host : text}`, code: network.code, network }
  }
  if (status === STATUS.tls) return ofTls(line)
  // The system's own, such as EMFILE: no descriptor is left.
  if (status === STATUS.localLimit && osError !== undefined) return { message: firstLine(line), code: util.getSystemErrorName(-osError), errno: -osError }
  return { message: MESSAGES[status] ?? firstLine(line) }
}

module.exports = { messageOf, addressOf, STATUS }
