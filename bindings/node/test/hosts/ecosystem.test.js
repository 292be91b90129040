'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test, before, after } = require('node:test')
const { startRegistry } = require('../support/registry')
const { startServer } = require('../support/server')
const { run } = require('./support')

// What others build on node-postgres, installed from a registry with the packed packages: once with `pg`, and once with this
// package under that name. The same program of each sees the same.

const PACKAGES = require('./packages.json')
const WRITTEN = path.join(__dirname, 'ecosystem')
/** Those of the ORMs, which other tests run without an installation. */
const ORMS = path.join(__dirname, '..', 'orm')
const MINUTES = 600_000

const KINDS = {
  pg: { dependencies: { pg: require('../../package.json').devDependencies.pg } },
  // MikroORM and pg-promise ask for one exact version of `pg`, which is not the alias's.
  'pg-holdfast': { dependencies: { pg: 'npm:@pg-holdfast/pg@^8.23.0' }, overrides: { pg: '$pg' } },
}

let registry
const places = {}

function programsOf(directory) {
  const files = fs.readdirSync(directory).filter((name) => name.endsWith('.js') && name !== 'run.js')
  return files.map((name) => path.basename(name, '.js'))
}

async function install(kind) {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-ecosystem-'))
  places[kind] = place
  const { dependencies, overrides } = KINDS[kind]
  const manifest = { name: 'ecosystem', version: '1.0.0', private: true, dependencies: { ...PACKAGES, ...dependencies }, overrides }
  fs.writeFileSync(path.join(place, 'package.json'), JSON.stringify(manifest))
  fs.copyFileSync(path.join(WRITTEN, 'run.js'), path.join(place, 'run.js'))
  for (const directory of [WRITTEN, ORMS]) {
    for (const name of programsOf(directory)) fs.copyFileSync(path.join(directory, `${name}.js`), path.join(place, `${name}.js`))
  }
  const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  await run('npm', ['install', '--registry', registry.url, ...quietly], { cwd: place, timeout: MINUTES })
}

before(async () => {
  registry = await startRegistry()
  await Promise.all(Object.keys(KINDS).map(install))
}, { timeout: MINUTES })
after(() => {
  registry?.remove()
  for (const place of Object.values(places)) fs.rmSync(place, { recursive: true, force: true })
})

async function seen(kind, program) {
  // Each run makes the same tables.
  const server = await startServer()
  try {
    const said = await run(process.execPath, ['run.js', program, JSON.stringify(server.config)], { cwd: places[kind] })
    return JSON.parse(/^seen: (.*)$/m.exec(said)[1])
  } finally {
    server.remove()
  }
}

test('the alias takes the place of pg below every package', () => {
  const below = path.join(places['pg-holdfast'], 'node_modules')
  const all = fs.readdirSync(below, { recursive: true, encoding: 'utf8' })
  const names = all.filter((name) => /(^|node_modules\/)pg\/package\.json$/.test(name)).map((name) => JSON.parse(fs.readFileSync(path.join(below, name), 'utf8')).name)
  assert.deepEqual(names, ['@pg-holdfast/pg'])
})

for (const program of [...programsOf(WRITTEN), ...programsOf(ORMS)]) {
  test(`a program with ${program}, installed with the alias, sees what it sees with pg`, { timeout: MINUTES }, async () => {
    const [wanted, own] = await Promise.all([seen('pg', program), seen('pg-holdfast', program)])
    assert.ok(Object.keys(wanted).length >= 2, 'it did all that it does')
    assert.deepEqual(own, wanted)
  })
}
