'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
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
  assert.match(refused.message, /^connect ECONNREFUSED 127\.0\.0\.1:5432: no connection came free/)
  assert.equal(refused.attempts.length, 1)
  const unknown = toError({ status: 2, kind: 'resolve', summary: 's', target: 'nowhere.invalid:5432' })
  assert.deepEqual([unknown.code, unknown.syscall, unknown.hostname], ['ENOTFOUND', 'getaddrinfo', 'nowhere.invalid'])
})

test('another failure says everything in its message', () => {
  const error = toError({ status: 11, kind: 'circuit_open', phase: 'connect', summary: SUMMARY })
  assert.equal(error.message, SUMMARY)
  assert.equal(error.name, 'HoldfastError')
  assert.equal(JSON.parse(JSON.stringify(error)).kind, 'circuit_open')
})

test('a notice has the fields of an error and is none', () => {
  const notice = toNotice({ severity: 'NOTICE', code: '00000', message: 'hello', routine: 'exec_stmt_raise' })
  assert.ok(!(notice instanceof Error))
  assert.deepEqual([notice.name, notice.severity, notice.code, notice.message], ['notice', 'NOTICE', '00000', 'hello'])
})
