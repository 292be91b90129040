'use strict'

const path = require('node:path')

module.exports = {
  // An addon is a file, which no bundle can have in it: Node requires the package when the server runs.
  serverExternalPackages: ['pg', 'pg-holdfast'],
  // The rest is for this checkout only, where the package is a link to bindings/node: what is not below node_modules, Next.js takes
  // for source of the application.
  outputFileTracingRoot: path.join(__dirname, '..', '..'),
  webpack(config) {
    config.externals.push({ 'pg-holdfast': 'commonjs pg-holdfast' })
    return config
  },
}
