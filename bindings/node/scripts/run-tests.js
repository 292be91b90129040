'use strict'

// Runs tests of this package and says at the very end once more which of them failed, and why.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const here = path.join(__dirname, '..')
/** Directories below test/, and what the files directly in test/ are called here. */
const GROUPS = ['unit', 'conformance', 'behaviour', 'whole']
/** Those that install from npm, which run when they are named. */
const ON_REQUEST = ['hosts']

/** Node 18 knows no patterns, and shells differ. */
function filesOf(group) {
  return group === 'whole' ? testsIn('test') : testsBelow(path.join('test', group))
}

const entries = (folder) => fs.readdirSync(path.join(here, folder), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))

function testsIn(folder) {
  return entries(folder).filter(({ name }) => name.endsWith('.test.js')).map(({ name }) => path.join(folder, name))
}

function testsBelow(folder) {
  const folders = entries(folder).filter((entry) => entry.isDirectory())
  return [...testsIn(folder), ...folders.flatMap(({ name }) => testsBelow(path.join(folder, name)))]
}

/**
 * Files of tests that are run at once. They mostly wait, for a server or for a limit that is to pass, so that there are more of
 * them than processors; Node takes one less. Those that lack the option (before 20.10) run as many as they like.
 */
function concurrency(binary) {
  const { stdout } = spawnSync(binary, ['--help'], { encoding: 'utf8' })
  return stdout?.includes('--test-concurrency') ? [`--test-concurrency=${os.cpus().length + 1}`] : []
}

/**
 * @param {string[]} groups of GROUPS and ON_REQUEST
 * @param {object} [how]
 * @param {string} [how.binary] the Node that runs them
 * @param {number} [how.timeout] in milliseconds; what still runs then is ended
 * @returns {{ ok: boolean, error?: Error, failures: string }} `failures` as scripts/failed-tests.js writes them
 */
function runTests(groups, { binary = process.execPath, timeout } = {}) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-failed-'))
  const told = path.join(directory, 'failed')
  try {
    const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout',
      `--test-reporter=${path.join(__dirname, 'failed-tests.js')}`, `--test-reporter-destination=${told}`]
    // What programs of the tests start by the name `node` is to be the same.
    const env = { ...process.env, PATH: `${path.dirname(binary)}${path.delimiter}${process.env.PATH}` }
    const { error, status } = spawnSync(binary, ['--test', ...concurrency(binary), ...reporters, ...groups.flatMap(filesOf)], { cwd: here, stdio: 'inherit', env, timeout })
    return { ok: error === undefined && status === 0, error, failures: fs.existsSync(told) ? fs.readFileSync(told, 'utf8') : '' }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

module.exports = { runTests, GROUPS }

if (require.main === module) {
  const groups = process.argv.length > 2 ? process.argv.slice(2) : GROUPS
  const all = [...GROUPS, ...ON_REQUEST]
  const unknown = groups.filter((each) => !all.includes(each))
  if (unknown.length > 0) {
    console.error(`holdfast: there are no tests called ${unknown.join(', ')}: there are ${all.join(', ')}`)
    process.exitCode = 2
  } else {
    // scripts/count-tests.awk reads this line.
    console.log(`holdfast: ${groups.join(', ')} with Node ${process.versions.node}`)
    const { ok, failures } = runTests(groups)
    process.stdout.write(failures)
    process.exitCode = ok ? 0 : 1
  }
}
