'use strict'

const { spawn } = require('node:child_process')
const readline = require('node:readline')

/**
 * Starts `holdfast-testkit` (or the program that HOLDFAST_TESTKIT names), which ends when this process does.
 * @param {...string} words as in `start('full-server', '--slots', '3')`
 */
async function start(...words) {
  const program = process.env.HOLDFAST_TESTKIT ?? 'holdfast-testkit'
  const child = spawn(program, [...words, '--json'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await Promise.race([lines.next(), ended.then(() => ({ done: true }))])
    if (done) throw new Error(`${program} ${words.join(' ')} has ended`)
    return JSON.parse(value)
  }
  const { url } = await next()
  return {
    url,
    /** Gives an order, such as `free=1`; resolved when it is in force. */
    async order(order) {
      child.stdin.write(`${order}\n`)
      const { ok, error } = await next()
      if (!ok) throw new Error(`${order}: ${error}`)
    },
    /** Ends it, with everything that it has started. */
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}

module.exports = { start }
