'use strict'

const { test } = require('node:test')
const assert = require('node:assert/strict')
const { sql, Pool } = require('../..')

const plain = ({ text, values }) => ({ text, values })

test('what stands in a template is a parameter, whatever it contains', () => {
  const evil = "'; drop table item; --"
  assert.deepEqual(plain(sql`select ${1}, ${evil}, ${null}`), { text: 'select $1, $2, $3', values: [1, evil, null] })
  assert.deepEqual(plain(sql`select 1`), { text: 'select 1', values: [] })
  assert.deepEqual(plain(sql`select ${{ strings: ['drop'], values: [], text: 'drop' }}`).text, 'select $1', 'an object of a client is one too')
})

test('statements nest, and their parameters are numbered anew', () => {
  const open = sql`state = ${'open'} and n > ${7}`
  const whole = sql`select * from ${sql.identifier('public', 'my "item"')} where id = ${1} and (${open}) limit ${10}`
  assert.equal(whole.text, 'select * from "public"."my ""item""" where id = $1 and (state = $2 and n > $3) limit $4')
  assert.deepEqual(whole.values, [1, 'open', 7, 10])
  assert.equal(sql`${whole}`.text, whole.text)
})

test('values and statements are joined', () => {
  assert.deepEqual(plain(sql`in (${sql.join([1, 2, 3])})`), { text: 'in ($1, $2, $3)', values: [1, 2, 3] })
  const both = sql.join([sql`a = ${1}`, sql`b = ${2}`], sql` and `)
  assert.deepEqual(plain(both), { text: 'a = $1 and b = $2', values: [1, 2] })
})

test('a backslash is the server’s', () => {
  assert.equal(sql`select '\d+' ~ ${'x'}`.text, String.raw`select '\d+' ~ $1`)
})

test('what could be SQL of somebody else is refused with what to do', () => {
  assert.throws(() => sql('select 1'), { name: 'TypeError', message: /sql is a tag/ })
  assert.throws(() => sql(['select 1']), { name: 'TypeError' })
  assert.throws(() => sql.identifier(), { name: 'TypeError' })
  assert.throws(() => sql.identifier('a', 7), { name: 'TypeError' })
  assert.throws(() => sql.join([]), { name: 'TypeError', message: /not empty/ })
  assert.throws(() => sql.join([1, 2], ' and '), { name: 'TypeError', message: /sql.join\(conditions, sql` and `\)/ })
})

test('it is known across copies of the module', () => {
  const path = require.resolve('../../lib/query/sql')
  const before = require.cache[path]
  delete require.cache[path]
  const other = require(path).sql
  require.cache[path] = before
  assert.notEqual(other, sql)
  assert.equal(sql`select ${other`1 + ${2}`}`.text, 'select 1 + $1')
})

test('the package exports it both ways', async () => {
  const module = await import('../../lib/index.mjs')
  assert.equal(module.sql, sql)
  assert.equal(typeof Pool, 'function')
})
