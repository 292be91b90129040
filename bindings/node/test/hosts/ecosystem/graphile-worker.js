'use strict'

const { Pool } = require('pg')
const { Logger, makeWorkerUtils, run, runOnce } = require('graphile-worker')

const logger = new Logger(() => () => {})

module.exports = async (config, connectionString) => {
  const ran = []
  const seen = { ran }
  const taskList = {
    greet: async ({ name }, helpers) => {
      const { rows } = await helpers.withPgClient((client) => client.query('select $1::text as text', [name]))
      ran.push([name, rows])
    },
    fail: async () => {
      throw new Error('of a test')
    },
  }
  const utils = await makeWorkerUtils({ connectionString, logger })
  await utils.migrate()
  await utils.addJob('greet', { name: 'a' })
  await utils.addJob('fail', {}, { maxAttempts: 1 })
  await runOnce({ connectionString, taskList, logger })
  // Its failure is written down after the run.
  const failed = 'select task_identifier, attempts, last_error from graphile_worker.jobs where last_error is not null'
  while (!(seen.failed?.length > 0)) seen.failed = (await utils.withPgClient((client) => client.query(failed))).rows
  seen.failed[0].last_error = seen.failed[0].last_error.split('\n')[0]
  // A runner with a pool of the program's hears of a job through LISTEN.
  const pgPool = new Pool({ ...config, max: 4 })
  pgPool.on('error', () => {})
  const runner = await run({ pgPool, taskList, logger, pollInterval: 60_000, noHandleSignals: true })
  const heard = new Promise((resolve) => runner.events.on('job:success', ({ job }) => resolve(job.payload)))
  await utils.addJob('greet', { name: 'b' })
  seen.heard = await heard
  await runner.stop()
  await pgPool.end()
  await utils.release()
  return seen
}
