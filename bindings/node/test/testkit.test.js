'use strict'

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')

// The test kit's example for Node is run as it is, where the package is installed.

const root = path.join(__dirname, '..', '..', '..')
const example = path.join(root, 'testkit', 'examples', 'node')
const program = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'debug', 'holdfast-testkit')
const skip = fs.existsSync(program) ? false : 'the test kit is not built: run `cargo build --package pg-holdfast-testkit`'

test('the service of the test kit survives a full server', { skip }, () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-testkit-'))
  try {
    for (const file of fs.readdirSync(example)) fs.copyFileSync(path.join(example, file), path.join(directory, file))
    fs.mkdirSync(path.join(directory, 'node_modules'))
    fs.symlinkSync(path.join(__dirname, '..'), path.join(directory, 'node_modules', 'pg-holdfast'))
    const env = { ...process.env, HOLDFAST_TESTKIT: program }
    // Else the tests within would take themselves for those of this process.
    delete env.NODE_TEST_CONTEXT
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--test'], { cwd: directory, env, encoding: 'utf8' })
    assert.equal(status, 0, `${stdout}${stderr}`)
    assert.match(stdout, /pass 2\b/)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
})
