'use strict'

// Builds the addon with what the system has: cargo for the library, its C++ compiler for the glue, and the headers of the Node that
// runs this. Nothing is downloaded. `npm install` runs it, which has nothing to do where the prebuilt addon of this platform was
// installed too; HOLDFAST_LIB_DIR names a directory with a libholdfast.a that is built already. HOLDFAST_STATIC=1 links the C++
// library in as well as OpenSSL, for an addon that goes to other machines; HOLDFAST_STATIC=in-library says that libholdfast.a has
// OpenSSL in it (the feature `vendored`).

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { platformName, packageName } = require('../lib/native/platform')

const here = path.join(__dirname, '..')
const top = path.join(here, '..', '..')
const out = process.env.HOLDFAST_OUT || path.join(here, 'build', 'holdfast.node')

function fail(what, remedy) {
  console.error(`pg-holdfast: ${what}\n  ${remedy}`)
  process.exit(1)
}

function run(command, args, cwd, remedy) {
  const { error, status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (error) fail(`${command} cannot be run: ${error.message}`, remedy)
  if (status !== 0) fail(`${command} failed with status ${status}`, remedy)
}

/** Where node_api.h is: with this Node, or in the package node-api-headers. */
function headers() {
  const prefix = path.dirname(path.dirname(fs.realpathSync(process.execPath)))
  const candidates = [process.env.npm_config_nodedir && path.join(process.env.npm_config_nodedir, 'include', 'node'),
    path.join(prefix, 'include', 'node')]
  try {
    candidates.push(require('node-api-headers').include_dir)
  } catch {
    // It is only needed where Node comes without its headers.
  }
  const found = candidates.find((each) => each && fs.existsSync(path.join(each, 'node_api.h')))
  return found || fail(`node_api.h was not found below ${prefix}`,
    'install the headers of Node (Debian: libnode-dev), or `npm install node-api-headers`')
}

function library() {
  const given = process.env.HOLDFAST_LIB_DIR
  if (given) {
    const file = path.join(given, 'libholdfast.a')
    if (!fs.existsSync(file)) fail(`HOLDFAST_LIB_DIR is ${given}, which has no libholdfast.a`, 'run `make lib` and name target/c')
    return file
  }
  if (!fs.existsSync(path.join(top, 'include', 'holdfast.h'))) {
    fail(`there is no prebuilt addon for ${platformName()} (${packageName(platformName())}), and this is no checkout to build it from`,
      'install without --no-optional, or set HOLDFAST_LIB_DIR to a directory with libholdfast.a and HOLDFAST_INCLUDE_DIR to one with holdfast.h')
  }
  const target = process.env.CARGO_TARGET_DIR || path.join(top, 'target')
  run('make', ['lib'], top, 'install cargo, make and the headers of OpenSSL, or set HOLDFAST_LIB_DIR to a directory with libholdfast.a')
  return path.join(target, 'c', 'libholdfast.a')
}

function include() {
  const candidates = [path.join(top, 'include'), process.env.HOLDFAST_INCLUDE_DIR || '']
  const found = candidates.find((each) => each && fs.existsSync(path.join(each, 'holdfast.h')))
  return found || fail('holdfast.h was not found', 'build from a checkout, or set HOLDFAST_INCLUDE_DIR')
}

/** Whether the prebuilt addon is there, and loads: the system may lack what it needs. */
function isPrebuilt() {
  const name = packageName(platformName())
  try {
    require(name)
    return true
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') console.error(`pg-holdfast: ${name} does not load, so the addon is built: ${error.message}`)
    return false
  }
}

/**
 * OpenSSL. It is linked in where the system has archives of it: the one that Node uses is cleaned up when the process exits, which
 * the library's threads do not survive if they are in it.
 */
function libraries(compiler) {
  if (!process.env.HOLDFAST_STATIC) {
    const archives = ['libssl.a', 'libcrypto.a'].map((name) => spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim())
    if (archives.every((file) => file && path.isAbsolute(file) && fs.existsSync(file))) return archives
    console.error('pg-holdfast: libssl.a and libcrypto.a were not found, so the addon shares OpenSSL with Node: a process that exits amid a TLS handshake may crash')
    return ['-lssl', '-lcrypto']
  }
  if (process.env.HOLDFAST_STATIC === 'in-library') return process.platform === 'darwin' ? [] : ['-static-libstdc++', '-static-libgcc']
  if (process.platform !== 'darwin') return ['-l:libssl.a', '-l:libcrypto.a', '-static-libstdc++', '-static-libgcc']
  const prefix = process.env.OPENSSL_DIR || '/opt/homebrew/opt/openssl@3'
  return ['libssl.a', 'libcrypto.a'].map((name) => path.join(prefix, 'lib', name))
}

/** The addon's sources: those of a folder and of all below it. */
function sourcesIn(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) return sourcesIn(file)
    return entry.name.endsWith('.cc') ? [file] : []
  })
}

function main() {
  if (process.env.HOLDFAST_SKIP_BUILD || (!process.env.HOLDFAST_STATIC && isPrebuilt())) return
  const sources = sourcesIn(path.join(here, 'src'))
  const compiler = process.env.CXX || 'c++'
  const archive = library()
  fs.mkdirSync(path.dirname(out), { recursive: true })
  const unfinished = `${out}.${process.pid}`
  const mac = process.platform === 'darwin'
  // Only what Node looks for is exported, so that another copy of the library in the process is not confused with this one.
  // Threads of the library may outlive a worker's environment: its code must stay where it is.
  const link = mac
    ? ['-bundle', '-undefined', 'dynamic_lookup']
    : ['-shared', `-Wl,--version-script=${path.join(here, 'src', 'exports.map')}`, '-Wl,--exclude-libs,ALL', '-Wl,--gc-sections', '-Wl,-z,nodelete', '-Wl,-s']
  run(compiler, ['-std=c++17', '-O2', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-DHOLDFAST_API=',
    `-I${headers()}`, `-I${include()}`, ...sources, archive, ...link, ...libraries(compiler), '-lpthread', '-ldl', '-lm',
    '-o', unfinished], here, 'install a C++17 compiler (or name one in CXX) and the headers of OpenSSL')
  // Renamed, so that a process which has the old one loaded keeps it.
  fs.renameSync(unfinished, out)
}

main()
