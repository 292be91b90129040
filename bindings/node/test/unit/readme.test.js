'use strict'

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test, before, after } = require('node:test')
const { promisify } = require('node:util')
const { startServer } = require('../support/server')

// Programs in the documents are run as a reader who copies them would run them: in a directory and a process of their own, which
// has to end by itself.

const here = path.join(__dirname, '..', '..')
const run = promisify(execFile)

const SCHEMA = `
  create table items (id int primary key, name text, stock int);
  insert into items values (1, 'rope', 10), (2, 'anchor', 10)`

/** The ```js blocks of a document, each with its line, without the indentation of lists. */
function blocks(name) {
  const lines = fs.readFileSync(path.join(here, name), 'utf8').split('\n')
  const found = []
  for (let i = 0; i < lines.length; i++) {
    const start = /^( *)```js$/.exec(lines[i])
    if (start === null) continue
    const from = i + 1
    while (lines[i + 1] !== `${start[1]}\`\`\``) i += 1
    const text = lines.slice(from, i + 1).map((line) => line.slice(start[1].length)).join('\n')
    found.push({ name: `${name}, line ${from}`, text })
  }
  return found
}

/** As a file for this Node: `await using` is the newest's, and CommonJS knows no await outside of functions. */
function program(text) {
  if (/^import /m.test(text)) return { extension: 'mjs', text: text.replaceAll('await using ', 'const ') }
  // One that ends because nothing keeps the process alive, before it is through, has failed.
  return { extension: 'cjs', text: `process.exitCode = 13; (async () => {\n${text}\n})().then(() => { process.exitCode = 0 })` }
}

let server
let directory
before(async () => {
  server = await startServer()
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-readme-'))
  fs.mkdirSync(path.join(directory, 'node_modules'))
  fs.symlinkSync(here, path.join(directory, 'node_modules', 'pg-holdfast'))
  fs.symlinkSync(path.dirname(require.resolve('pg/package.json')), path.join(directory, 'node_modules', 'pg'))
  const { Pool } = require('../..')
  const pool = new Pool(server.config)
  await pool.query(SCHEMA)
  await pool.end()
})
after(() => {
  server?.remove()
  fs.rmSync(directory, { recursive: true, force: true })
})

/** The documents, each with the least number of programs in it. */
const DOCUMENTS = {
  'README.md': 1, 'MIGRATING.md': 6, '../../docs/node.md': 6, '../../docs/node-functions.md': 1, '../../docs/node-docker.md': 1,
}

for (const [document, least] of Object.entries(DOCUMENTS)) {
  const all = blocks(document)
  test(`${document} has programs`, () => assert.ok(all.length >= least, `${all.length}`))
  for (const [i, block] of all.entries()) {
    test(`${block.name}: the program runs and ends`, { timeout: 30000 }, async () => {
      const { extension, text } = program(block.text)
      const file = path.join(directory, `${path.basename(document)}-${i}.${extension}`)
      fs.writeFileSync(file, text)
      const { stderr } = await run(process.execPath, [file], {
        timeout: 20000,
        env: {
          ...process.env, DATABASE_URL: server.url, PGHOST: server.host, PGPORT: String(server.port), PGUSER: server.user, PGDATABASE: server.database,
        },
      })
      assert.doesNotMatch(stderr, /pg-holdfast does not know/)
    })
  }
}
