'use strict'

// A reporter of `node --test` that says only which tests failed and why, each as soon as it has, so that a run that is ended early
// has them too. scripts/run-tests.js shows them once more at the end of its output, where a log that was cut off at its beginning
// has them.

const path = require('node:path')
const { inspect } = require('node:util')

/** The line that a failure begins with; those that belong to it are indented. scripts/count-tests.awk repeats both. */
const MARK = 'holdfast: failed with Node'
const MOST_LINES = 40

/** A test around others, or a file, failed because of them: they are told themselves. */
function isOfOthers({ details: { error } }) {
  return error?.failureType === 'subtestsFailed'
}

function failure({ name, file, line, details: { error } }) {
  const place = file === undefined ? '' : `${path.relative(process.cwd(), file)}${line === undefined ? '' : `:${line}`}: `
  const cause = error?.cause ?? error
  const lines = (typeof cause === 'string' ? cause : inspect(cause)).split('\n')
  const shown = lines.slice(0, MOST_LINES).map((each) => `    ${each}`)
  if (lines.length > MOST_LINES) shown.push(`    (${lines.length - MOST_LINES} lines more)`)
  return `${MARK} ${process.versions.node}: ${place}${name}\n${shown.join('\n')}\n`
}

module.exports = async function* failedTests(events) {
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.todo === undefined && !isOfOthers(data)) yield failure(data)
  }
}
