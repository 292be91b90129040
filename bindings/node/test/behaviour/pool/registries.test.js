'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { createContext, runInContext } = require('node:vm')
const { suite } = require('../../support/drivers')

// Test runners load a package anew for each file, in a realm of its own or not, within one environment of Node.
const { server } = suite()
const lib = path.join(__dirname, '../../../lib')

/** The package from modules that no one else has. `wrap` compiles a module's function. */
function loadAnew(wrap) {
  const cache = new Map()
  const load = (file) => {
    if (cache.has(file)) return cache.get(file).exports
    const module = { exports: {}, filename: file }
    cache.set(file, module)
    const from = (name) => {
      if (!name.startsWith('.') || name.endsWith('.json') || name.endsWith('.node')) return require(name.startsWith('.') ? path.join(path.dirname(file), name) : name)
      const base = path.join(path.dirname(file), name)
      return load([`${base}.js`, path.join(base, 'index.js'), base].find((each) => fs.existsSync(each) && fs.statSync(each).isFile()))
    }
    wrap(`(function (require, module, exports, __dirname, __filename) {${fs.readFileSync(file, 'utf8')}\n})`, file)(from, module, module.exports, path.dirname(file), file)
    return module.exports
  }
  return load(path.join(lib, 'index.js'))
}

const sameRealm = (source) => (0, eval)(source)

function anotherRealm() {
  const context = createContext({ Buffer, process, performance, URL, URLSearchParams, setTimeout, setImmediate, AbortSignal, TextDecoder, EventTarget })
  return (source, filename) => runInContext(source, context, { filename })
}

async function assertWorks({ Pool, DatabaseError }) {
  const pool = new Pool(server().config)
  const { rows } = await pool.query('select $1::bytea as bytes, $2::int as n, generate_series(1, 3000) as i', [new Uint8Array([1, 2]), 7])
  assert.equal(rows.length, 3000)
  assert.equal(rows[0].n, 7)
  assert.equal(Buffer.compare(rows[0].bytes, Buffer.from([1, 2])), 0)
  assert.equal((await pool.query('select $1::int as n', [8])).rows[0].n, 8)
  const error = await pool.query('selec').catch((each) => each)
  assert.ok(error instanceof DatabaseError, 'the class of this registry')
  await pool.transaction((client) => client.query('select 1'))
  const seen = []
  for await (const row of pool.iterate('select 5 as five')) seen.push(row.five)
  assert.deepEqual(seen, [5])
  await pool.end()
}

test('modules that are loaded again work, and so do those of before', async () => {
  const first = loadAnew(sameRealm)
  const second = loadAnew(sameRealm)
  assert.notEqual(first.Pool, second.Pool)
  await assertWorks(first)
  await assertWorks(second)
  await Promise.all([assertWorks(first), assertWorks(second)])
})

test('modules of another realm work, where Uint8Array and Error are others', async () => {
  await assertWorks(loadAnew(anotherRealm()))
  await assertWorks(loadAnew(anotherRealm()))
})

test('bytes of another realm are a parameter', async () => {
  const { Pool } = require('../../..')
  const pool = new Pool(server().config)
  const bytes = runInContext('new Uint8Array([1, 2, 255])', createContext({}))
  const { rows } = await pool.query('select $1::bytea as bytes', [bytes])
  assert.equal(rows[0].bytes.toString('hex'), '0102ff')
  await pool.end()
})
