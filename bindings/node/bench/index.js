'use strict'

const os = require('node:os')
const { startServer } = require('../test/support/server')
const { makeContenders, names } = require('./contenders')
const { SCHEMA, WORKLOADS } = require('./workloads')
const { measure, measureIdle, medians } = require('./measure')

const HELP = `usage: npm run bench -- [--quick] [--json] [--rounds=N] [--millis=N] [--max=N] [--only=NAME,...]

All contenders in one run, on a server of its own: in each round each of them runs each workload, in another order every
time, so that what else the machine does hits all alike. Ratios of medians are what to look at, not absolute figures.

  --quick      3 rounds of 300 ms
  --rounds=N   rounds (7)
  --millis=N   how long each workload runs in a round (1000)
  --max=N      connections of each contender (10)
  --only=...   contenders, of ${names.join(', ')}
  --json       for programs; progress goes to standard error`

function readArguments(given) {
  const read = { rounds: 7, millis: 1000, max: 10, only: names, json: false }
  for (const each of given) {
    const [name, value] = each.replace(/^--/, '').split('=')
    if (name === 'help') read.help = true
    else if (name === 'quick') Object.assign(read, { rounds: 3, millis: 300 })
    else if (name === 'json') read.json = true
    else if (name === 'only' && value) read.only = value.split(',')
    else if (['rounds', 'millis', 'max'].includes(name) && Number(value) > 0) read[name] = Number(value)
    else throw new Error(`${each} is no argument of this: --help lists them`)
  }
  return read
}

async function runRounds(contenders, { rounds, millis }) {
  const measured = WORKLOADS.map(() => Object.fromEntries(contenders.map(({ name }) => [name, []])))
  for (const contender of contenders) for (const workload of WORKLOADS) await measure(contender, workload, Math.min(200, millis))
  const idle = []
  for (let round = 0; round < rounds; round++) {
    idle.push(await measureIdle(millis))
    for (const [index, workload] of WORKLOADS.entries()) {
      for (let i = 0; i < contenders.length; i++) {
        const contender = contenders[(i + round) % contenders.length]
        measured[index][contender.name].push(await measure(contender, workload, millis))
        global.gc?.()
      }
    }
    console.error(`round ${round + 1} of ${rounds}`)
  }
  const tables = WORKLOADS.map(({ name, inFlight }, index) => ({
    workload: name,
    inFlight,
    results: Object.fromEntries(contenders.map((each) => [each.name, medians(measured[index][each.name])])),
  }))
  return { tables, idle: medians(idle) }
}

function printTable(tables) {
  const columns = ['', 'per s', 'to pg', 'p50 ms', 'p99 ms', 'CPU us each', 'loop p99 ms', 'loop max ms']
  for (const { workload, inFlight, results } of tables) {
    console.log(`\n${workload}, ${inFlight} in flight`)
    const rows = Object.entries(results).map(([name, r]) => [
      name, r.perSecond.toFixed(0), results.pg ? (r.perSecond / results.pg.perSecond).toFixed(2) : '-', r.p50.toFixed(2), r.p99.toFixed(2),
      r.cpuMicros.toFixed(0), r.loopP99.toFixed(1), r.loopMax.toFixed(1),
    ])
    for (const row of [columns, ...rows]) console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(12) : cell.padStart(12))).join(''))
  }
}

async function main() {
  const options = readArguments(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const server = await startServer({ max_connections: 100, shared_buffers: '64MB' })
  try {
    const contenders = makeContenders(options.only, server.config, options.max)
    if (contenders.length === 0) throw new Error('there is nothing to compare: npm install in bindings/node')
    await contenders[0].query(SCHEMA.split(';').slice(0, -2).join(';'))
    await contenders[0].query('VACUUM ANALYZE bench')
    const { tables, idle } = await runRounds(contenders, options)
    await Promise.all(contenders.map((each) => each.end()))
    const machine = { node: process.version, cpus: os.cpus().length, load: os.loadavg()[0], connections: options.max, rounds: options.rounds, millis: options.millis }
    if (options.json) console.log(JSON.stringify({ machine, idle, tables }, null, 2))
    else {
      console.log(`Node ${machine.node}, ${machine.cpus} processors, load ${machine.load.toFixed(1)}, ${options.max} connections each, medians of ${options.rounds} rounds of ${options.millis} ms`)
      console.log(`a loop with nothing to do is held for ${idle.loopP99.toFixed(1)} ms at p99, ${idle.loopMax.toFixed(1)} ms at most: that much is the machine's`)
      printTable(tables)
    }
  } finally {
    server.remove()
  }
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
