'use strict'

const { createHash } = require('node:crypto')
const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { platformName, packageName } = require('../../lib/native/platform')

// A registry on this machine that has this package as it is published, with the addon's and the alias package, and leads to npm's
// for all others.

const here = path.join(__dirname, '..', '..')

/** Lays the packages out with the addon that is built, packs them, and returns the tarballs' folder. */
function pack(directory) {
  const out = path.join(directory, 'npm')
  const platform = path.join(out, platformName())
  fs.mkdirSync(platform, { recursive: true })
  fs.copyFileSync(path.join(here, 'build', 'holdfast.node'), path.join(platform, 'holdfast.node'))
  const { version } = require('../../package.json')
  fs.writeFileSync(path.join(platform, 'package.json'), JSON.stringify({ name: packageName(platformName()), version, main: 'holdfast.node' }))
  const env = { ...process.env, HOLDFAST_NPM_DIR: out }
  execFileSync(process.execPath, [path.join(here, 'scripts', 'prebuild.js'), '--main'], { env, stdio: 'pipe' })
  const packed = path.join(directory, 'packed')
  fs.mkdirSync(packed)
  const folders = fs.readdirSync(out).map((name) => path.join(out, name))
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--offline', '--pack-destination', packed, ...folders], { stdio: 'pipe' })
  return { folders, packed }
}

/** The name of a package's tarball. */
const tarballOf = ({ name, version }) => `${name.replace('@', '').replace('/', '-')}-${version}.tgz`

/** Starts it. `url` is for `npm --registry`. */
async function startRegistry() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-registry-'))
  const { folders, packed } = pack(directory)
  const manifests = folders.map((folder) => JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')))
  const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim().replace(/\/$/, '')
  let url
  const described = (manifest) => {
    const integrity = `sha512-${createHash('sha512').update(fs.readFileSync(path.join(packed, tarballOf(manifest)))).digest('base64')}`
    const whole = { ...manifest, dist: { tarball: `${url}/-/${tarballOf(manifest)}`, integrity } }
    return { name: manifest.name, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: whole } }
  }
  const server = http.createServer((request, response) => {
    const asked = decodeURIComponent(request.url.slice(1))
    const own = manifests.find(({ name }) => name === asked)
    if (own) return response.setHeader('content-type', 'application/json').end(JSON.stringify(described(own)))
    const tarball = manifests.map(tarballOf).find((name) => asked === `-/${name}`)
    if (tarball) return response.end(fs.readFileSync(path.join(packed, tarball)))
    return response.writeHead(302, { location: `${upstream}${request.url}` }).end()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${server.address().port}`
  return {
    url,
    remove() {
      server.close()
      server.closeAllConnections()
      fs.rmSync(directory, { recursive: true, force: true })
    },
  }
}

module.exports = { startRegistry }
