'use strict'

const { monitorEventLoopDelay, performance } = require('node:perf_hooks')

/** The finest that the histogram of the loop's delay has; it is part of every delay that it tells. */
const RESOLUTION_MS = 1

function percentile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
}

/**
 * Runs a workload for some milliseconds with so many in flight, and tells the rate, the latencies, the processor time of
 * the whole process for each (threads of libraries included), and how long the event loop was held.
 */
async function measure(contender, { run, inFlight }, millis) {
  const latencies = []
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  const began = performance.now()
  const end = began + millis
  const cpu = process.cpuUsage()
  delay.enable()
  const one = async () => {
    do {
      const start = performance.now()
      await run(contender.query)
      latencies.push(performance.now() - start)
    } while (performance.now() < end)
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  const took = performance.now() - began
  const used = process.cpuUsage(cpu)
  // A last delay is told when the timer comes around once more.
  await new Promise((resolve) => setTimeout(resolve, 2 * RESOLUTION_MS))
  delay.disable()
  latencies.sort((a, b) => a - b)
  return {
    perSecond: (latencies.length / took) * 1000,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpuMicros: (used.user + used.system) / latencies.length,
    loopP99: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS),
    loopMax: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
  }
}

/** How long the loop is held while this process does nothing: by what else the machine does. */
async function measureIdle(millis) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  await new Promise((resolve) => setTimeout(resolve, millis))
  delay.disable()
  return { loopP99: Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS), loopMax: Math.max(0, delay.max / 1e6 - RESOLUTION_MS) }
}

/** The median of each figure. */
function medians(measured) {
  const names = Object.keys(measured[0])
  const of = (name) => percentile(measured.map((each) => each[name]).sort((a, b) => a - b), 0.5)
  return Object.fromEntries(names.map((name) => [name, of(name)]))
}

module.exports = { measure, measureIdle, medians }
