'use strict'

// What is published, laid out in npm/: for the platform that this runs on (or HOLDFAST_PLATFORM, see prebuild-linux.sh), a package
// that has nothing but the addon (npm/linux-x64); and `--main`, once those of all platforms are gathered there, the package itself
// (npm/pg-holdfast), which depends on each of them optionally, so that npm installs the one that fits, and the alias package (npm/pg).
// The package.json of the checkout does not name them: they exist only once they are published.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { PLATFORMS, platformName, packageName } = require('../lib/native/platform')

const here = path.join(__dirname, '..')
const top = path.join(here, '..', '..')
const out = process.env.HOLDFAST_NPM_DIR || path.join(here, 'npm')
const { version, license, repository, engines, ...rest } = require('../package.json')

/** npm takes only files of exactly this name by itself. */
const LICENSES = 'LICENSE-*'

function write(directory, manifest) {
  fs.writeFileSync(path.join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  for (const name of fs.readdirSync(top).filter((each) => each.startsWith('LICENSE'))) fs.copyFileSync(path.join(top, name), path.join(directory, name))
  console.log(path.relative(process.cwd(), directory))
}

function platformPackage() {
  const name = process.env.HOLDFAST_PLATFORM || platformName()
  if (!PLATFORMS.includes(name)) throw new Error(`no package is laid out for ${name}: add it to PLATFORMS in lib/native/platform.js`)
  const directory = path.join(out, name)
  fs.mkdirSync(directory, { recursive: true })
  const env = { ...process.env, HOLDFAST_STATIC: process.env.HOLDFAST_STATIC || '1', HOLDFAST_OUT: path.join(directory, 'holdfast.node') }
  const { status } = spawnSync(process.execPath, [path.join(__dirname, 'build.js')], { stdio: 'inherit', env })
  if (status !== 0) throw new Error(`the addon was not built (status ${status}): see above`)
  const [os, cpu, musl] = name.split('-')
  write(directory, {
    name: packageName(name),
    version,
    description: `The addon of pg-holdfast for ${name}`,
    license,
    repository,
    engines,
    main: 'holdfast.node',
    files: ['holdfast.node', LICENSES],
    os: [os],
    cpu: [cpu],
    ...(os === 'linux' && { libc: [musl ? 'musl' : 'glibc'] }),
  })
}

function mainPackage() {
  const platforms = PLATFORMS.filter((name) => fs.existsSync(path.join(out, name, 'holdfast.node')))
  if (platforms.length === 0) throw new Error(`${out} has no addon of any platform: run this without --main first, on each of them`)
  const directory = path.join(out, 'pg-holdfast')
  fs.rmSync(directory, { recursive: true, force: true })
  fs.mkdirSync(directory, { recursive: true })
  for (const name of rest.files) {
    if (!fs.existsSync(path.join(here, name))) continue
    fs.cpSync(path.join(here, name), path.join(directory, name), { recursive: true })
  }
  const { devDependencies, scripts, tsd, ...published } = rest
  write(directory, {
    ...published,
    files: [...published.files, LICENSES],
    version,
    license,
    repository,
    engines,
    scripts: { install: scripts.install },
    optionalDependencies: Object.fromEntries(platforms.map((name) => [packageName(name), version])),
  })
}

/**
 * What is installed by the name `pg`, with a version of node-postgres' line: packages that ask for `pg@^8` take it. The minor version is
 * that of the `pg` which the tests compare with; the patch tells this package's version, 100 for 0.1.0.
 */
function aliasPackage() {
  const directory = path.join(out, 'pg')
  const lib = path.join(directory, 'lib')
  fs.rmSync(directory, { recursive: true, force: true })
  fs.mkdirSync(lib, { recursive: true })
  const files = {
    'index.js': "module.exports = require('pg-holdfast')\n",
    'index.mjs': "export * from 'pg-holdfast'\nexport { default } from 'pg-holdfast'\n",
    'index.d.ts': "export * from 'pg-holdfast'\nexport { default } from 'pg-holdfast'\n",
    'index.d.mts': "export * from 'pg-holdfast'\nexport { default } from 'pg-holdfast'\n",
  }
  for (const name of fs.readdirSync(path.join(here, 'lib', 'pg'))) files[`lib/${name}`] = `module.exports = require('pg-holdfast/lib/${name}')\n`
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(directory, name), text)
  const [major, minor] = rest.devDependencies.pg.split('.')
  const patch = version.split('.').reduce((sum, part) => sum * 100 + Number(part), 0)
  write(directory, {
    name: '@pg-holdfast/pg',
    version: `${major}.${minor}.${patch}`,
    description: 'pg-holdfast under the name and the version of pg, for "pg": "npm:@pg-holdfast/pg@^8"',
    license,
    repository,
    engines,
    main: 'index.js',
    types: 'index.d.ts',
    exports: {
      '.': { import: { types: './index.d.mts', default: './index.mjs' }, require: { types: './index.d.ts', default: './index.js' } },
      './lib/*.js': './lib/*.js',
      './lib/*': './lib/*.js',
      './package.json': './package.json',
    },
    dependencies: { 'pg-holdfast': version },
  })
}

try {
  if (process.argv.includes('--main')) {
    mainPackage()
    aliasPackage()
  } else {
    platformPackage()
  }
} catch (error) {
  console.error(`pg-holdfast: ${error.message}`)
  process.exitCode = 1
}
