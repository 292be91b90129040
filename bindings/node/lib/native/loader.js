'use strict'

// Loads the addon. Every place is named by a literal, so that bundlers and tracers (webpack, ncc, @vercel/nft, Next.js) find the
// file: what they cannot read they leave out. The literals stand in `try`, by which they know that some are not there.

const { platformName, packageName } = require('./platform')

/** The one that the environment names. No require: a bundler could not know which, and would complain. */
function named(file, failures) {
  try {
    const loaded = { exports: {} }
    process.dlopen(loaded, file)
    return loaded.exports
  } catch (error) {
    failures.push([file, error])
    return undefined
  }
}

/** The prebuilt addon of a platform, from the package that has it. */
function prebuilt(platform, failures) {
  try {
    switch (platform) {
      case 'linux-x64':
        return require('@pg-holdfast/linux-x64')
      case 'linux-arm64':
        return require('@pg-holdfast/linux-arm64')
      case 'linux-x64-musl':
        return require('@pg-holdfast/linux-x64-musl')
      case 'linux-arm64-musl':
        return require('@pg-holdfast/linux-arm64-musl')
      case 'darwin-x64':
        return require('@pg-holdfast/darwin-x64')
      case 'darwin-arm64':
        return require('@pg-holdfast/darwin-arm64')
      default:
        throw new Error(`no addon is built for ${platform}`)
    }
  } catch (error) {
    failures.push([packageName(platform), error])
    return undefined
  }
}

/** The one that scripts/build.js made. */
function built(failures) {
  try {
    return require('../../build/holdfast.node')
  } catch (error) {
    failures.push(['build/holdfast.node', error])
    return undefined
  }
}

function loadAddon() {
  const platform = platformName()
  const failures = []
  const given = process.env.HOLDFAST_NODE_ADDON
  const addon = (given && named(given, failures)) || prebuilt(platform, failures) || built(failures)
  if (addon) return addon
  const reasons = failures.map(([place, error]) => `\n  ${place}: ${error.message.split('\n')[0]}`)
  throw new Error(`pg-holdfast has no addon for ${platform}: run \`npm rebuild pg-holdfast\` (needs cargo and a C++ compiler).${reasons.join('')}`)
}

module.exports = { loadAddon }
