'use strict'

const { Worker } = require('node:worker_threads')

/** In a worker: runs what it is sent, one after the other, with a pool that it opens at first. */
const LOOP = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { Pool } = require(workerData.place)
  const pool = workerData.shared ? Pool.shared(workerData.options) : new Pool(workerData.options)
  const AsyncFunction = (async () => {}).constructor
  const state = {}
  parentPort.on('message', async ({ id, body }) => {
    try {
      parentPort.postMessage({ id, value: await new AsyncFunction('pool', 'state', 'parentPort', 'require', body)(pool, state, parentPort, require) })
    } catch (error) {
      parentPort.postMessage({ id, error: { message: error.message, kind: error.kind, code: error.code } })
    }
  })`

/** A thread with a pool of its own, or its share of one. */
class Thread {
  constructor(options, { shared = true } = {}) {
    this.waiting = new Map()
    this.last = 0
    this.worker = new Worker(LOOP, { eval: true, workerData: { place: require.resolve('../..'), options, shared } })
    this.exited = new Promise((resolve) => this.worker.once('exit', resolve))
    this.failure = new Promise((resolve) => this.worker.once('error', resolve))
    this.worker.on('message', ({ id, value, error }) => {
      const { resolve, reject } = this.waiting.get(id)
      this.waiting.delete(id)
      if (error) reject(Object.assign(new Error(error.message), error))
      else resolve(value)
    })
  }

  /** Runs the text of an asynchronous function of (pool, state, parentPort, require) there, and returns what that does. */
  run(body) {
    this.last += 1
    const id = this.last
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.worker.postMessage({ id, body })
    })
  }

  terminate() {
    return this.worker.terminate()
  }
}

module.exports = { Thread }
