'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test, before, after } = require('node:test')
const { startServer } = require('../support/server')
const { DRIVERS, host, elsewhere, run } = require('./support')

// What bundlers and tracers put out runs where there is nothing else: the addon is with it.

let server
let user
before(async () => {
  server = await startServer()
  user = await host('esbuild', '@vercel/nft', '@vercel/ncc', 'webpack', 'webpack-cli', 'node-loader')
})
after(() => {
  user?.remove()
  server?.remove()
})

const program = (load) => `
${load}
const pool = new Pool({ connectionString: process.env.DATABASE_URL })
pool.query('select $1::int + 1 as n', [41]).then(({ rows }) => {
  console.log(JSON.stringify(rows))
  return pool.end()
}).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
`
const required = (driver) => program(`const { Pool } = require('${driver}')`)
const imported = (driver) => program(`import pg from '${driver}'\nconst { Pool } = pg`)

/** Runs a file where only `folder` is. */
async function assertRuns(folder, file) {
  const place = elsewhere()
  try {
    fs.cpSync(folder, place, { recursive: true, dereference: true })
    assert.equal(await run(process.execPath, [file], { cwd: place, env: { DATABASE_URL: server.url } }), '[{"n":42}]\n')
  } finally {
    fs.rmSync(place, { recursive: true, force: true })
  }
}

for (const driver of DRIVERS) {
  test(`${driver}: what @vercel/nft traces is enough`, { timeout: 120_000 }, async () => {
    user.write(`${driver}-nft.js`, required(driver))
    const out = await user.run(process.execPath, ['-e', `
      require('@vercel/nft').nodeFileTrace(['${driver}-nft.js']).then(({ fileList }) => console.log(JSON.stringify([...fileList])))`])
    const traced = path.join(user.directory, `${driver}-traced`)
    for (const file of JSON.parse(out)) {
      const to = path.join(traced, file)
      fs.mkdirSync(path.dirname(to), { recursive: true })
      fs.copyFileSync(path.join(user.directory, file), to)
    }
    await assertRuns(traced, `${driver}-nft.js`)
  })

  test(`${driver}: a bundle of ncc runs`, { timeout: 120_000 }, async () => {
    user.write(`${driver}-ncc.js`, required(driver))
    await user.tool('ncc', ['build', `${driver}-ncc.js`, '-o', `${driver}-ncc`, '-q'])
    await assertRuns(path.join(user.directory, `${driver}-ncc`), 'index.js')
  })

  test(`${driver}: a bundle of webpack runs, with node-loader for addons`, { timeout: 120_000 }, async () => {
    user.write(`${driver}-webpack.js`, required(driver))
    user.write(`${driver}.config.js`, `module.exports = {
      mode: 'production', target: 'node', node: { __dirname: false }, entry: './${driver}-webpack.js',
      output: { path: __dirname + '/${driver}-webpack', filename: 'main.js' },
      module: { rules: [{ test: /\\.node$/, loader: 'node-loader' }] },
      ignoreWarnings: [/./], externals: { 'pg-native': 'commonjs pg-native', 'pg-cloudflare': 'commonjs pg-cloudflare' },
    }`)
    await user.tool('webpack', ['--config', `${driver}.config.js`])
    await assertRuns(path.join(user.directory, `${driver}-webpack`), 'main.js')
  })

  test(`${driver}: bundles of esbuild run, as CommonJS and as ESM`, { timeout: 120_000 }, async () => {
    const common = ['--bundle', '--platform=node', '--loader:.node=copy', '--external:pg-native', '--external:pg-cloudflare', '--log-level=error']
    user.write(`${driver}-esbuild.js`, required(driver))
    await user.tool('esbuild', [`${driver}-esbuild.js`, ...common, `--outdir=${driver}-esbuild-cjs`])
    await assertRuns(path.join(user.directory, `${driver}-esbuild-cjs`), `${driver}-esbuild.js`)
    user.write(`${driver}-esbuild.mjs`, imported(driver))
    const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
    await user.tool('esbuild', [`${driver}-esbuild.mjs`, ...common, '--format=esm', '--out-extension:.js=.mjs', `--banner:js=${banner}`, `--outdir=${driver}-esbuild-esm`])
    await assertRuns(path.join(user.directory, `${driver}-esbuild-esm`), `${driver}-esbuild.mjs`)
  })
}
