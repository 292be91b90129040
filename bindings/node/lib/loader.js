'use strict'

// Loads the addon. Every place is named by a literal, so that bundlers and tracers (webpack, ncc, @vercel/nft, Next.js) find the
// file: what they cannot read they leave out.

const { platformName, packageName } = require('./platform')

/** The prebuilt addon of a platform, from the package that has it. */
function prebuilt(platform) {
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
}

/** The one that scripts/build.js made. */
const built = () => require('../build/holdfast.node')

/** The one that the environment names. No require: a bundler could not know which, and would complain. */
function named() {
  const loaded = { exports: {} }
  process.dlopen(loaded, process.env.HOLDFAST_NODE_ADDON)
  return loaded.exports
}

function loadAddon() {
  const platform = platformName()
  const failures = []
  const attempt = (place, load) => {
    try {
      return load()
    } catch (error) {
      failures.push(`${place}: ${error.message.split('\n')[0]}`)
      return undefined
    }
  }
  const addon = (process.env.HOLDFAST_NODE_ADDON && attempt(process.env.HOLDFAST_NODE_ADDON, named))
    || attempt(packageName(platform), () => prebuilt(platform))
    || attempt('build/holdfast.node', built)
  if (addon) return addon
  throw new Error(`pg-holdfast has no addon for ${platform}: run \`npm rebuild pg-holdfast\` (needs cargo and a C++ compiler).\n  ${failures.join('\n  ')}`)
}

module.exports = { loadAddon }
