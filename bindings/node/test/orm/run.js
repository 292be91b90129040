'use strict'

// node run.js DRIVER PROGRAM CONFIG: runs a program of this directory, where `pg` is what DRIVER names, and prints what it saw.
// The packages require('pg') themselves, so that is led elsewhere, as npm's aliases do ("pg": "npm:pg-holdfast").

const Module = require('node:module')

const [driver, program, config] = process.argv.slice(2)

const resolve = Module._resolveFilename
Module._resolveFilename = function led(request, ...others) {
  // TypeORM takes it instead of `pg` where it is built, and it is no model.
  if (request === 'pg-native') throw Object.assign(new Error('it is not looked for here'), { code: 'MODULE_NOT_FOUND' })
  const found = driver === 'pg-holdfast' && /^pg(?:\/lib\/(.*))?$/.exec(request)
  if (!found) return resolve.call(this, request, ...others)
  // By this package's own name, so that its exports are looked at.
  return resolve.call(this, found[1] ? `pg-holdfast/lib/${found[1]}` : 'pg-holdfast', module, false)
}

require(`./${program}`)(JSON.parse(config)).then((seen) => {
  console.log(JSON.stringify(seen))
})
