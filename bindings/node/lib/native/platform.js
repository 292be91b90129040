'use strict'

// Which of the prebuilt addons is this machine's: one for each operating system, processor and, on Linux, C library.

const fs = require('node:fs')

/** All that packages are laid out for. lib/native/loader.js names each of them, too. */
const PLATFORMS = ['linux-x64', 'linux-arm64', 'linux-x64-musl', 'linux-arm64-musl', 'darwin-x64', 'darwin-arm64']

/** Distributions with musl have its loader and no glibc; images without a shell may have no ldd that says which. */
function isMusl() {
  try {
    return fs.readFileSync('/usr/bin/ldd', 'latin1').includes('musl')
  } catch {
    try {
      return fs.readdirSync('/lib').some((name) => name.startsWith('ld-musl-'))
    } catch {
      return false
    }
  }
}

function platformName() {
  const name = `${process.platform}-${process.arch}`
  return process.platform === 'linux' && isMusl() ? `${name}-musl` : name
}

const packageName = (platform) => `@pg-holdfast/${platform}`

module.exports = { PLATFORMS, platformName, packageName }
