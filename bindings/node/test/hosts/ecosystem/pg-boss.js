'use strict'

const PgBoss = require('pg-boss')

module.exports = async (_, connectionString) => {
  const boss = new PgBoss({ connectionString, max: 4, supervise: false, schedule: false })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  await boss.createQueue('mail', { retryLimit: 1 })
  const sent = await boss.send('mail', { to: 'a' })
  await boss.insert([{ name: 'mail', data: { to: 'b' } }])
  const jobs = await boss.fetch('mail', { batchSize: 5 })
  await boss.complete('mail', sent, { done: true })
  const failing = jobs.find(({ id }) => id !== sent)
  await boss.fail('mail', failing.id, { because: 'of a test' })
  const states = await Promise.all(jobs.map(({ id }) => boss.getJobById('mail', id)))
  const seen = {
    fetched: jobs.map(({ data }) => data.to).sort(),
    states: states.map(({ data, state, output }) => [data.to, state, output]).sort(),
    waiting: await boss.getQueueSize('mail'),
    worked: await new Promise((resolve) => {
      boss.work('mail', { pollingIntervalSeconds: 0.5 }, async ([job]) => resolve(job.data)).then(() => boss.send('mail', { to: 'c' }))
    }).then(({ to }) => typeof to),
  }
  await boss.stop({ graceful: true, wait: true })
  return seen
}
