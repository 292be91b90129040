'use strict'

// node run.js PROGRAM CONFIG: runs a program of this directory, copied to where its packages are installed, and prints what it saw.

const [program, config] = process.argv.slice(2)
const { host, port, user, database } = JSON.parse(config)

require(`./${program}`)({ host, port, user, database }, `postgres://${user}@${host}:${port}/${database}`).then((seen) => {
  console.log(`\nseen: ${JSON.stringify(seen, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))}`)
})
