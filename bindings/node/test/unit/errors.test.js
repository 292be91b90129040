'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { Causes } = require('../../lib/errors/causes')
const { toError, toNotice, HoldfastError, DatabaseError } = require('../../lib/errors')

const SUMMARY = 'no connection came free within 5 s (pool: 8 in use)'

test('what the server reports is a DatabaseError with every field as text or undefined', () => {
  const error = toError({
    status: 17, kind: 'database', phase: 'query', summary: 'line', message: 'duplicate key', sqlstate: '23505', severity: 'ERROR',
    detail: 'Key (id)=(1) exists.', constraint: 't_pkey', table: 't', schema: 'public', retryable: false, attempts: [],
  })
  assert.ok(error instanceof DatabaseError && error instanceof HoldfastError && error instanceof Error)
  assert.equal(error.name, 'error')
  assert.equal(error.message, 'duplicate key')
  assert.deepEqual(Object.keys(error), [
    'length', 'name', 'severity', 'code', 'detail', 'hint', 'position', 'internalPosition', 'internalQuery', 'where', 'schema',
    'table', 'column', 'dataType', 'constraint', 'file', 'line', 'routine',
  ])
  assert.equal(error.code, '23505')
  assert.equal(error.hint, undefined)
  assert.deepEqual([error.kind, error.phase, error.attempts, error.retryable, error.summary], ['database', 'query', [], false, 'line'])
})

test('a failure of the pool has the message that programs know from node-postgres, and all else beside it', () => {
  const error = toError({ status: 10, kind: 'pool_timeout', phase: 'queue', summary: SUMMARY, message: SUMMARY, attempts: [], retryable: true, elapsedMillis: 5000, remedy: 'give them back sooner' })
  assert.equal(error.message, 'timeout exceeded when trying to connect')
  assert.equal(error.summary, SUMMARY)
  assert.equal(error.remedy, 'give them back sooner')
  assert.equal(error.kind, 'pool_timeout')
  assert.equal(error.code, undefined)
  assert.ok(!(error instanceof DatabaseError))
  const messages = { 9: /due to connection timeout$/, 12: /^Cannot use a pool after/, 13: /^Connection terminated unexpectedly$/, 14: /^Query read timeout$/ }
  for (const [status, message] of Object.entries(messages)) assert.match(toError({ status: Number(status), summary: 's' }).message, message)
})

test('a failure of the network has the properties of Node’s own errors', () => {
  const refused = toError({ status: 3, kind: 'refused', phase: 'connect', summary: SUMMARY, target: '127.0.0.1:5432', attempts: [{ kind: 'refused' }] })
  const { code, errno, syscall, address, port } = refused
  assert.deepEqual({ code, errno, syscall, address, port }, {
    code: 'ECONNREFUSED', errno: -require('node:os').constants.errno.ECONNREFUSED, syscall: 'connect', address: '127.0.0.1', port: 5432,
  })
  assert.equal(refused.message, 'connect ECONNREFUSED 127.0.0.1:5432')
  assert.equal(refused.summary, SUMMARY)
  assert.equal(refused.attempts.length, 1)
  const unknown = toError({ status: 2, kind: 'resolve', summary: 's', target: 'nowhere.invalid:5432' })
  assert.deepEqual([unknown.code, unknown.syscall, unknown.hostname], ['ENOTFOUND', 'getaddrinfo', 'nowhere.invalid'])
  assert.equal(unknown.message, 'getaddrinfo ENOTFOUND nowhere.invalid')
})

test('a limit of the process has the code that Node has for it', () => {
  const limit = toError({ status: 20, kind: 'local_limit', phase: 'connect', summary: 'no descriptor is left (os error 24)', target: 'h:5432', osError: 24 })
  assert.deepEqual([limit.code, limit.errno, limit.kind], ['EMFILE', -24, 'local_limit'])
  const other = toError({ status: 20, kind: 'local_limit', summary: 'no thread could be started' })
  assert.deepEqual([other.code, 'errno' in other], [undefined, false])
})

test('a message is the same each time, and the summary has what varies', () => {
  const tail = ' [h:5432]; gave up after 5 ms; 1 attempt: #1 x after 5 ms, 0 ms ago; pool: 0 of 5 connections (0 in use, 0 idle, 0 opening), 0 waiting'
  const other = toError({ status: 18, kind: 'misuse', summary: `a use that cannot be (found out 11 ms ago, and probed since)${tail}` })
  assert.equal(other.message, 'a use that cannot be')
  assert.ok(other.summary.endsWith('0 waiting'))
  for (const status of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19]) {
    const [first, second] = [5, 7].map((ms) => toError({ status, target: 'h:5432', summary: `failed [h:5432]; gave up after ${ms} ms; pool: ${ms} of 8` }))
    assert.equal(first.message, second.message)
    assert.doesNotMatch(first.message, /\d ms|pool:/, `status ${status}`)
  }
})

const HANDSHAKE = 'TLS failed while establishing TLS: TLS handshake with "h" failed: error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:../ssl/statem/statem_clnt.c:1889:: '
const OF_TLS = [
  [`${HANDSHAKE}self-signed certificate [h:5432]; gave up after 5 ms`, 'DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'],
  [`${HANDSHAKE}self-signed certificate in certificate chain [h:5432]`, 'SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain'],
  [`${HANDSHAKE}unable to get local issuer certificate`, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'unable to get local issuer certificate'],
  [`${HANDSHAKE}certificate has expired`, 'CERT_HAS_EXPIRED', 'certificate has expired'],
  [`${HANDSHAKE}hostname mismatch`, 'ERR_TLS_CERT_ALTNAME_INVALID', "Hostname/IP does not match certificate's altnames"],
  [`${HANDSHAKE}something new`, 'ERR_SSL_CERTIFICATE_VERIFY_FAILED', 'certificate verify failed'],
  ['TLS failed: error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../x.c:1', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'TLS handshake failed: sslv3 alert handshake failure'],
  ['TLS failed: the server does not support TLS, but sslmode demands it [h:5432]', undefined, 'The server does not support SSL connections'],
  ['TLS failed: the key is open to others [h:5432]; gave up after 5 ms', 'EPROTO', 'TLS failed: the key is open to others'],
]

test('a failure of TLS has Node’s code and message', () => {
  for (const [summary, code, message] of OF_TLS) {
    const error = toError({ status: 5, kind: 'tls', phase: 'tls', summary })
    assert.deepEqual([error.code, error.message, error.summary], [code, message, summary])
  }
})

test('a failure that waited has its cause, and one of the same kind the server’s answer', () => {
  const causes = new Causes()
  const waited = { status: 10, kind: 'pool_timeout', phase: 'queue', summary: SUMMARY }
  assert.equal(causes.errorOf(waited).code, undefined)
  causes.failed({ status: 7, kind: 'server_full', summary: 'full', message: 'sorry, too many clients already', sqlstate: '53300', severity: 'FATAL', file: 'proc.c', answered: true })
  const [same, other] = [causes.errorOf({ status: 7, kind: 'server_full', summary: SUMMARY, message: SUMMARY, attempts: [] }), causes.errorOf(waited)]
  assert.ok(same instanceof DatabaseError)
  assert.deepEqual([same.code, same.severity, same.file, same.message, same.summary], ['53300', 'FATAL', 'proc.c', 'sorry, too many clients already', SUMMARY])
  assert.deepEqual([other.code, other.kind, other.message, other.cause.code], ['53300', 'pool_timeout', 'timeout exceeded when trying to connect', '53300'])
  causes.opened()
  assert.equal(causes.errorOf(waited).code, undefined)
})

test('a failure of the pool’s own has its kind in JSON', () => {
  const error = toError({ status: 11, kind: 'circuit_open', phase: 'connect', summary: SUMMARY })
  assert.equal(error.name, 'HoldfastError')
  assert.equal(JSON.parse(JSON.stringify(error)).kind, 'circuit_open')
})

test('a notice has the fields of an error and is none', () => {
  const notice = toNotice({ severity: 'NOTICE', code: '00000', message: 'hello', routine: 'exec_stmt_raise' })
  assert.ok(!(notice instanceof Error))
  assert.deepEqual([notice.name, notice.severity, notice.code, notice.message], ['notice', 'NOTICE', '00000', 'hello'])
})
