'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const fs = require('node:fs')
const path = require('node:path')
const holdfast = require('../..')

const TYPES = path.join(__dirname, '../../types')
const read = (name) => fs.readFileSync(path.join(TYPES, name), 'utf8')

/** Members of a class as index.d.ts declares them. */
function declared(name) {
  const body = new RegExp(`^export class ${name} .*?^}`, 'ms').exec(read('index.d.ts'))[0]
  return [...body.matchAll(/^  (?:static |readonly )*(\w+)[?]?[(<:]/gm)].map((match) => match[1])
}

test('the types compile with programs that are written for node-postgres, and with what is new', { timeout: 120000 }, async () => {
  const diagnostics = await require('tsd').default({ cwd: path.join(__dirname, '../..') })
  assert.deepEqual(diagnostics.map(({ fileName, line, message }) => `${fileName}:${line} ${message}`), [])
})

test('what is exported is what the types say, from CommonJS and as a module', async () => {
  const values = [...read('index.d.ts').matchAll(/^export (?:class|const|function) (\w+)/gm)].map((match) => match[1])
  // A client of no special kind is only a type.
  const expected = [...new Set(values)].filter((name) => name !== 'ClientBase').concat('default').sort()
  assert.deepEqual(Object.keys(holdfast).sort(), expected)
  const module = await import('../../lib/index.mjs')
  assert.deepEqual(Object.keys(module).sort(), expected)
  assert.equal(module.Pool, holdfast.Pool)
})

test('every member of a pool that the types have is there, and every public one is in the types', () => {
  const pool = new holdfast.Pool({ host: '127.0.0.1', port: 1 })
  const typed = new Set([...declared('Pool'), 'query', 'iterate'])
  for (const name of typed) assert.ok(name in pool || name in holdfast.Pool, `Pool.${name} is not there`)
  const inherited = ['constructor', 'on', 'addListener', 'removeListener', 'off', 'queryOver']
  const there = Object.getOwnPropertyNames(holdfast.Pool.prototype).filter((name) => !name.startsWith('_') && !inherited.includes(name))
  for (const name of there) assert.ok(typed.has(name), `Pool.${name} is not in the types`)
  return pool.end()
})

test('every option of the library that a program may want is in the types', () => {
  const config = read('config.d.ts')
  const { addon } = require('../../lib/native')
  const others = new Map([['maxSize', 'max'], ['minIdle', 'min'], ['dbname', 'database'], ['keepalives', 'keepAlive']])
  const missing = addon.options()
    .filter(({ kind }) => kind !== 'compatibility')
    .map(({ key }) => [key, key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())])
    .filter(([key, camel]) => ![key, camel, others.get(camel)].some((name) => new RegExp(`^  ${name}\\?:`, 'm').test(config)))
  assert.deepEqual(missing.map(([, camel]) => camel), [])
})
