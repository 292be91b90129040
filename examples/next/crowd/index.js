'use strict'

const { build, run, PROCESSES, SLOTS, IN_FLIGHT } = require('./scene')

const HELP = `usage: npm run crowd -- [SECONDS]

Builds the application, starts a private PostgreSQL with ${SLOTS} slots for it and ${PROCESSES} processes
of \`next start\`, and keeps ${IN_FLIGHT} requests in flight at each of them for SECONDS (15): first with pg,
then with pg-holdfast. Prints a table.
Each process has a pool of 10, as pg's default is, and the application tries again twice when the server is full (53300).`

const PACKAGES = ['pg', 'pg-holdfast']

const COLUMNS = {
  package: ({ name }) => name,
  requests: ({ requests }) => requests,
  failed: ({ failed }) => failed,
  'answers/s': ({ answered, seconds }) => Math.round(answered / seconds),
  'of one process': ({ perProcess, seconds }) => perProcess.map((n) => Math.round(n / seconds)).join(' to '),
  'p50, ms': ({ p50 }) => p50,
  'p99, ms': ({ p99 }) => p99,
  'refused by the server': ({ refused }) => refused,
  'sessions at peak': ({ sessions }) => sessions,
}

/** In Markdown, for docs/node-next.md. */
function table(results) {
  const rows = [Object.keys(COLUMNS), ...results.map((each) => Object.values(COLUMNS).map((cell) => String(cell(each))))]
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`)
  lines.splice(1, 0, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`)
  return lines.join('\n')
}

async function main([given = '15']) {
  if (given === '--help' || given === '-h') return console.log(HELP)
  const seconds = Number(given)
  if (!(seconds > 0)) throw new Error(`seconds must be above 0, not ${given}: give 15`)
  console.log('building the application')
  await build()
  const results = []
  for (const name of PACKAGES) {
    console.log(`${PROCESSES} processes with ${name}, ${SLOTS} slots, ${IN_FLIGHT} requests in flight at each, ${seconds} s`)
    results.push({ name, ...await run(name, seconds) })
    const { failures } = results.at(-1)
    if (Object.keys(failures).length > 0) console.log(`failures by their code: ${JSON.stringify(failures)}`)
  }
  console.log(`\n${table(results)}`)
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
