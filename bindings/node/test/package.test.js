'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test, before, after } = require('node:test')
const { startServer } = require('./support/server')
const { platformName, packageName } = require('../lib/native/platform')

// What would be published is laid out, packed and installed into an empty directory without a network, where nothing of the
// checkout can be reached.

const here = path.join(__dirname, '..')
const built = path.join(process.env.CARGO_TARGET_DIR || path.join(here, '..', '..', 'target'), 'c')

let directory
let server
before(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-package-'))
  server = await startServer()
})
after(() => {
  server?.remove()
  fs.rmSync(directory, { recursive: true, force: true })
})

function run(command, args, cwd, env = {}) {
  const all = { ...process.env, ...env }
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env: all, encoding: 'utf8', timeout: 240_000 })
  assert.equal(error, undefined)
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}\n${stderr}`)
  return stdout
}

/** pg-types and what it needs, as folders: the cache of npm may not have them. */
function dependencies(name = 'pg-types', found = new Map()) {
  const folder = path.join(here, 'node_modules', name)
  found.set(name, folder)
  for (const each of Object.keys(require(path.join(folder, 'package.json')).dependencies ?? {})) if (!found.has(each)) dependencies(each, found)
  return [...found.values()]
}

/** Lays the packages out and packs them. Returns the names of the tarballs. */
function pack() {
  const out = path.join(directory, 'npm')
  const env = { HOLDFAST_NPM_DIR: out }
  if (fs.existsSync(path.join(built, 'libholdfast.a'))) env.HOLDFAST_LIB_DIR = built
  run(process.execPath, [path.join(here, 'scripts', 'prebuild.js')], directory, env)
  run(process.execPath, [path.join(here, 'scripts', 'prebuild.js'), '--main'], directory, env)
  const folders = [path.join(out, 'pg-holdfast'), path.join(out, platformName()), ...dependencies()]
  const packed = path.join(directory, 'packed')
  fs.mkdirSync(packed)
  run('npm', ['pack', '--ignore-scripts', '--offline', '--pack-destination', packed, ...folders], directory)
  return fs.readdirSync(packed).map((name) => path.join(packed, name))
}

/** A directory like a user's, with nothing in it. */
function empty(name) {
  const place = path.join(directory, name)
  fs.mkdirSync(place)
  fs.writeFileSync(path.join(place, 'package.json'), '{ "private": true }')
  return place
}

test('the packages install without a network and without a compiler, and work', { timeout: 290_000 }, () => {
  const tarballs = pack()
  const place = empty('program')
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...tarballs], place, { CXX: 'no-compiler-here' })
  const installed = path.join(place, 'node_modules', 'pg-holdfast')
  assert.equal(fs.existsSync(path.join(installed, 'build')), false)
  assert.equal(fs.existsSync(path.join(place, 'node_modules', packageName(platformName()), 'holdfast.node')), true)
  const manifest = JSON.parse(fs.readFileSync(path.join(installed, 'package.json'), 'utf8'))
  assert.deepEqual(manifest.optionalDependencies, { [packageName(platformName())]: manifest.version })
  for (const name of ['README.md', 'MIGRATING.md', 'LICENSE-MIT', 'types/index.d.ts']) assert.ok(fs.existsSync(path.join(installed, name)), name)

  fs.writeFileSync(path.join(place, 'program.mjs'), `
    import { Pool } from 'pg-holdfast'
    const pool = new Pool(process.argv[2])
    console.log((await pool.query('select $1::int + 1 as n', [1])).rows[0].n)`)
  assert.equal(run(process.execPath, ['program.mjs', server.url], place), '2\n')
  // What pg-cursor asks for where this package is called `pg`.
  const parts = "require('pg-holdfast/lib/utils.js').prepareValue(1) + new (require('pg-holdfast/lib/result.js'))().rows.length"
  assert.equal(run(process.execPath, ['-p', parts], place), '10\n')

  // Without the addon's package there is nothing to build from, which is said.
  fs.rmSync(path.join(place, 'node_modules', '@pg-holdfast'), { recursive: true })
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.js'], { cwd: installed, encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stderr, /there is no prebuilt addon for .*HOLDFAST_LIB_DIR/s)
})
