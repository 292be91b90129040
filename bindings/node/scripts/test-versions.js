'use strict'

// Runs the tests with other versions of Node than the one that is installed. Their binaries come from npm, from the package
// `node`, and are kept below build/ for the next time; package.json and package-lock.json know nothing of them.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { runTests } = require('./run-tests')

const HELP = `usage: node scripts/test-versions.js [VERSION[:GROUP,...]]...

Runs the tests of this package with each VERSION of Node, such as 18 or 22.12.0, and fails if they fail with one.
Without a version: 18 22 24. Each GROUP is a directory below test/; without one: unit, conformance, behaviour.

  node scripts/test-versions.js 18 22:conformance 24
  node scripts/test-versions.js 24:unit,behaviour

The addon is the one in build/: install the package's dependencies first. Binaries are kept in build/versions.`

const here = path.join(__dirname, '..')
const cache = path.join(here, 'build', 'versions')
const GROUPS = ['unit', 'conformance', 'behaviour']
const SUPPORTED = ['18', '22', '24']
/** The tests of one version; without a limit a test that hangs would hold up everything. */
const LIMIT_MINUTES = 10

class Unusable extends Error {}

function read(argument) {
  const [version, groups] = argument.split(':')
  if (!/^\d+(\.\d+){0,2}$/.test(version)) throw new Unusable(`${argument} is no version of Node: give one such as 22, or 22:unit,behaviour`)
  const chosen = groups === undefined ? GROUPS : groups.split(',')
  const unknown = chosen.filter((each) => !GROUPS.includes(each))
  if (unknown.length > 0) throw new Unusable(`there are no tests called ${unknown.join(', ')}: there are ${GROUPS.join(', ')}`)
  return { version, groups: chosen }
}

/** The version that a binary is of, or undefined. */
function versionOf(binary) {
  const { status, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim().slice(1) : undefined
}

const is = (found, wanted) => found === wanted || Boolean(found?.startsWith(`${wanted}.`))

/** The binary of a version: the one that runs this, one that was fetched before, or a new one. */
function binaryOf(version) {
  if (is(process.versions.node, version)) return process.execPath
  const place = path.join(cache, version)
  const binary = path.join(place, 'node_modules', 'node', 'bin', 'node')
  if (is(versionOf(binary), version)) return binary
  console.log(`holdfast: fetching Node ${version} from npm`)
  fs.rmSync(place, { recursive: true, force: true })
  fs.mkdirSync(place, { recursive: true })
  // So that npm takes this for a package of its own, and not for a part of the one around it.
  fs.writeFileSync(path.join(place, 'package.json'), '{ "private": true }\n')
  const npm = ['install', `node@${version}`, '--no-package-lock', '--no-audit', '--no-fund']
  const { error, status, stdout, stderr } = spawnSync('npm', npm, { cwd: place, encoding: 'utf8', timeout: 300_000 })
  const found = versionOf(binary)
  if (is(found, version)) return binary
  fs.rmSync(place, { recursive: true, force: true })
  const said = error?.message ?? `status ${status}\n${stdout}${stderr}`.trim()
  throw new Unusable(`Node ${version} cannot be had for ${os.platform()}-${os.arch()} (npm install node@${version}: ${found ? `got ${found}` : said})\n`
    + '  check that the npm registry can be reached and has that version, or name versions that it has')
}

function run({ version, groups, binary }) {
  console.log(`holdfast: ${groups.join(', ')} with Node ${versionOf(binary)}`)
  const begun = Date.now()
  const { ok, error, failures } = runTests(groups, { binary, timeout: LIMIT_MINUTES * 60_000 })
  const seconds = Math.round((Date.now() - begun) / 1000)
  console.log(`holdfast: ${ok ? 'passed' : 'FAILED'} with Node ${version} after ${seconds} s${error ? `: ${error.message}` : ''}`)
  return { ok, failures }
}

function main(given) {
  if (given.includes('--help') || given.includes('-h')) {
    console.log(HELP)
    return 0
  }
  try {
    const wanted = (given.length > 0 ? given : SUPPORTED).map(read)
    if (!fs.existsSync(path.join(here, 'build', 'holdfast.node'))) throw new Unusable('the addon is not built: run `npm ci` in bindings/node, or `make node`')
    // All of them before any test, so that one that is missing is known at once.
    const runs = wanted.map((each) => ({ ...each, binary: binaryOf(each.version) }))
    const results = runs.map(run)
    for (const { failures } of results) process.stdout.write(failures)
    return results.every(({ ok }) => ok) ? 0 : 1
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    console.error(`holdfast: ${error.message}`)
    return 2
  }
}

process.exitCode = main(process.argv.slice(2))
