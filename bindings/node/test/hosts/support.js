'use strict'

const { execFile } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { promisify } = require('node:util')
const { platformName, packageName } = require('../../lib/native/platform')

// Programs of users, each in a folder of its own with what npm would have put there: this package as it is published, with the
// addon in the package of its platform, and tools from npm.

const here = path.join(__dirname, '..', '..')
const DRIVERS = ['pg', 'pg-holdfast']
const execute = promisify(execFile)

async function run(command, args, { cwd, env, timeout = 120_000 }) {
  try {
    const { stdout } = await execute(command, args, { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env }, timeout, maxBuffer: 1 << 24 })
    return stdout
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')}\n${error.stdout}\n${error.stderr}\n${error.message}`)
  }
}

/** A package with what it needs, from the checkout's node_modules. */
function copyWithDependencies(name, into, done = new Set()) {
  if (done.has(name)) return
  done.add(name)
  const from = path.join(here, 'node_modules', name)
  fs.cpSync(from, path.join(into, name), { recursive: true })
  for (const each of Object.keys(require(path.join(from, 'package.json')).dependencies ?? {})) copyWithDependencies(each, into, done)
}

function layOut(modules) {
  const { version, files, optionalDependencies, devDependencies, scripts, ...manifest } = require('../../package.json')
  const own = path.join(modules, 'pg-holdfast')
  for (const name of files.filter((each) => fs.existsSync(path.join(here, each)))) fs.cpSync(path.join(here, name), path.join(own, name), { recursive: true })
  fs.writeFileSync(path.join(own, 'package.json'), JSON.stringify({ ...manifest, version }))
  const platform = path.join(modules, packageName(platformName()))
  fs.mkdirSync(platform, { recursive: true })
  fs.copyFileSync(path.join(here, 'build', 'holdfast.node'), path.join(platform, 'holdfast.node'))
  fs.writeFileSync(path.join(platform, 'package.json'), JSON.stringify({ name: packageName(platformName()), version, main: 'holdfast.node' }))
  copyWithDependencies('pg-types', modules)
  copyWithDependencies('pg', modules)
}

/** A folder of a user's with these tools in it. */
async function host(...tools) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-host-'))
  fs.writeFileSync(path.join(directory, 'package.json'), JSON.stringify({ name: 'host', version: '1.0.0', private: true }))
  await run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', ...tools], { cwd: directory, timeout: 300_000 })
  layOut(path.join(directory, 'node_modules'))
  return {
    directory,
    write(name, text) {
      const file = path.join(directory, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, text)
      return file
    },
    run: (command, args, options = {}) => run(command, args, { cwd: directory, ...options }),
    tool: (name, args, options = {}) => run(path.join(directory, 'node_modules', '.bin', name), args, { cwd: directory, ...options }),
    remove: () => fs.rmSync(directory, { recursive: true, force: true }),
  }
}

/** A folder with nothing around it, as a container or a function has what a build put out. */
function elsewhere() {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-deployed-'))
}

module.exports = { DRIVERS, host, elsewhere, run }
