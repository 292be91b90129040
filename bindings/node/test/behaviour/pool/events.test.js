'use strict'

const assert = require('node:assert/strict')
const { Client } = require('pg')
const { startServer } = require('../../support/server')
const { suite, until } = require('../../support/drivers')

// Every event of a pool, brought about by the fault that it is for. The server is small, so that it can be filled.
const SLOTS = 8
const { ours } = suite(() => startServer({ max_connections: SLOTS, superuser_reserved_connections: 0, max_wal_senders: 0 }))

const EVENTS = ['retry', 'limit', 'breaker', 'alert', 'leak', 'exhaustion', 'notice', 'event']
/** Alerts are looked at once a second. */
const SECONDS = 15000

/** Collects a pool's events by name. */
function heard(pool) {
  const told = Object.fromEntries(EVENTS.map((name) => [name, []]))
  for (const name of EVENTS) pool.on(name, (each) => told[name].push(each))
  return told
}

/** What all events have. */
function assertEvent(each, kind, server, name) {
  assert.equal(each.kind, kind)
  assert.equal(each.pool, `${name} (${server.host}:${server.port})`)
  assert.ok(Math.abs(Date.now() - each.time) < 60_000, `told of ${new Date(each.time).toISOString()}`)
  for (const field of ['processID', 'connection', 'from', 'to']) assert.ok(Number.isInteger(each[field]), field)
  assert.equal(typeof each.reason, 'string')
  assert.ok(each.message.length > 0)
}

/** Takes every slot of the server that is free. Returns what gives them back. */
async function fill(server) {
  const held = []
  for (;;) {
    const client = new Client(server.config)
    client.on('error', () => {})
    try {
      await client.connect()
    } catch (error) {
      assert.equal(error.code, '53300')
      return () => Promise.all(held.splice(0).map((each) => each.end()))
    }
    held.push(client)
  }
}

ours('retry: told for every attempt that failed and will be made again, until the server is there', async ({ pool, server }) => {
  server.stop()
  let waiting
  try {
    const made = pool({ name: 'retried', retryMax: 50, retryBaseDelay: 50, retryMaxDelay: 200 })
    const told = heard(made)
    waiting = made.query('select 1 as one')
    await until('two retries are told', () => told.retry.length > 1)
    for (const each of told.retry) {
      assertEvent(each, 'retried', server, 'retried')
      assert.equal(each.failure, 'refused')
      // How long it waits before the next attempt.
      assert.ok(each.tookMillis > 0 && each.tookMillis <= 300, `${each.tookMillis} ms`)
    }
    assert.match(told.retry[0].message, /attempt 1\b.*refused/i)
    assert.match(told.retry[1].message, /attempt 2\b/)
    assert.deepEqual(told.event.filter(({ kind }) => kind === 'retried').map(({ time }) => time), told.retry.map(({ time }) => time))
  } finally {
    server.start()
  }
  assert.equal((await waiting).rows[0].one, 1)
})

ours('breaker: told as it opens and closes, with an alert that is raised and cleared', async ({ pool, server }) => {
  const made = pool({ name: 'broken', retryMax: 0, breakerAfter: 200 })
  const told = heard(made)
  await made.query('select 1')
  assert.deepEqual(told.breaker, [])
  server.stop()
  try {
    const failures = new Set()
    await until('calls fail at once', async () => {
      await made.query('select 1').catch((error) => failures.add(error.kind))
      return failures.has('circuit_open')
    }, SECONDS)
    await until('the alert is told', () => told.alert.some(({ reason }) => reason === 'circuit_open'), SECONDS)
    assert.equal(made.stats().circuit, 'open')
    assert.equal(made.health().status, 'down')
  } finally {
    server.start()
  }
  await until('it is closed', () => told.breaker.some(({ reason }) => reason === 'closed'), SECONDS)
  for (const each of told.breaker) assertEvent(each, 'circuit_moved', server, 'broken')
  const states = told.breaker.map(({ reason }) => reason)
  assert.deepEqual(states.slice(0, 2), ['probing', 'open'])
  assert.equal(states.at(-1), 'closed')
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)

  const alerts = () => told.alert.filter(({ reason }) => reason === 'circuit_open')
  await until('the alert is over', () => alerts().length === 2, SECONDS)
  const [raised, cleared] = alerts()
  assertEvent(raised, 'alert_raised', server, 'broken')
  assertEvent(cleared, 'alert_cleared', server, 'broken')
  assert.equal(raised.raised, true)
  assert.equal(cleared.raised, false)
  assert.match(raised.message, /circuit_open.*to do: /s)
  assert.ok(cleared.tookMillis > 0)
  assert.equal(raised.tookMillis, undefined)
})

ours('limit: told when the server is full, and when it has room again', async ({ pool, server }) => {
  const made = pool({ name: 'limited', max: 4, retryMax: 10, retryBaseDelay: 50, retryMaxDelay: 200, fleetShare: false })
  const told = heard(made)
  const empty = await fill(server)
  let answers
  try {
    answers = Promise.all([1, 2, 3, 4].map((n) => made.query('select $1::int as n, pg_sleep(0.05)', [n])))
    await until('the limit has fallen', () => told.limit.length > 0, SECONDS)
  } finally {
    await empty()
  }
  const [fell] = told.limit
  assertEvent(fell, 'limit_moved', server, 'limited')
  assert.equal(fell.reason, 'server')
  assert.equal(fell.from, 4)
  assert.ok(fell.to < 4, `to ${fell.to}`)
  assert.match(fell.message, /max_connections.*53300/)
  assert.deepEqual((await answers).map(({ rows }) => rows[0].n), [1, 2, 3, 4])
  // It rises as it is needed.
  await until('the limit is what it was', async () => {
    await Promise.all([1, 2, 3, 4].map(() => made.query('select pg_sleep(0.02)')))
    return made.stats().limit === 4
  }, SECONDS)
  await until('that is told', () => told.limit.at(-1).to === 4)
  const rose = told.limit.at(-1)
  assert.ok(rose.from < rose.to)
  assert.equal(rose.reason, '')
  // Each begins where the one before has ended.
  told.limit.slice(1).forEach((each, i) => assert.equal(each.from, told.limit[i].to))
})

ours('leak: told once of a client that is kept beyond leakDetectionThreshold', async ({ pool, server }) => {
  const made = pool({ name: 'leaking', leakDetectionThreshold: 200 })
  const told = heard(made)
  const brief = await made.connect()
  await brief.query('select 1')
  brief.release()
  const client = await made.connect()
  try {
    await until('the leak is told', () => told.leak.length > 0, SECONDS)
    const [leak] = told.leak
    assertEvent(leak, 'leak_suspected', server, 'leaking')
    assert.equal(leak.processID, client.processID)
    assert.ok(leak.tookMillis >= 200, `${leak.tookMillis} ms`)
    assert.match(leak.message, /leak_detection_threshold/)
  } finally {
    client.release()
  }
  assert.equal(told.leak.length, 1)
})

ours('leak: nothing is told of a threshold of 0', async ({ pool }) => {
  const made = pool({ leakDetectionThreshold: 0, max: 2 })
  const other = pool({ leakDetectionThreshold: 100, max: 1 })
  const [told, toldOther] = [heard(made), heard(other)]
  const clients = [await made.connect(), await other.connect()]
  await until('the other pool has told of its own', () => toldOther.leak.length > 0, SECONDS)
  assert.deepEqual(told.leak, [])
  clients.forEach((client) => client.release())
})

ours('exhaustion: told who held the connections when a call got none', async ({ pool, server }) => {
  const made = pool({ name: 'exhausted', max: 1, connectionTimeout: 300, retryMax: 0 })
  const told = heard(made)
  const client = await made.connect()
  const { processID } = client
  await client.query("set application_name = 'the one who holds it'")
  await assert.rejects(made.query('select 1'), { kind: 'pool_timeout' })
  const ended = () => told.event.find(({ kind }) => kind === 'timed_out')
  await until('its end is told', ended)
  const late = ended()
  assertEvent(late, 'timed_out', server, 'exhausted')
  assert.equal(late.failure, 'pool_timeout')
  assert.ok(late.tookMillis >= 290, `${late.tookMillis} ms`)
  // The server is asked over the connection that comes back.
  client.release()
  await until('it is explained', () => told.exhaustion.length > 0, SECONDS)
  assertEvent(told.exhaustion[0], 'exhaustion_explained', server, 'exhausted')
  assert.match(told.exhaustion[0].message, new RegExp(`pid ${processID}\\) held for .*1 x the one who holds it`, 's'))
})

ours('alert: a pool that let a call wait in vain says so, with what to do', async ({ pool, server }) => {
  const made = pool({ name: 'alarmed', max: 1, connectionTimeout: 300, retryMax: 0 })
  const told = heard(made)
  const client = await made.connect()
  await assert.rejects(made.query('select 1'), { kind: 'pool_timeout' })
  await until('the alert is told', () => told.alert.some(({ reason }) => reason === 'pool_exhausted'), SECONDS)
  client.release()
  const raised = told.alert.find(({ reason }) => reason === 'pool_exhausted')
  assertEvent(raised, 'alert_raised', server, 'alarmed')
  assert.equal(raised.raised, true)
  assert.match(raised.message, /^critical alert pool_exhausted: .*; to do: /s)
  const standing = () => told.alert.reduce((sum, each) => sum + (each.raised ? 1 : -1), 0)
  await until('as many are told as there are', () => made.health().alerts === standing())
})

ours('event: sessions that open, fail to and close are told with their process', async ({ pool, server }) => {
  const made = pool({ name: 'all', max: 1 })
  const told = heard(made)
  const { rows: [{ pid }] } = await made.query('select pg_backend_pid() as pid')
  const first = (kind) => told.event.find((each) => each.kind === kind)
  await until('the opening is told', () => first('opened'))
  const opened = first('opened')
  assertEvent(opened, 'opened', server, 'all')
  assert.equal(opened.processID, pid)
  assert.ok(opened.tookMillis > 0)
  await made.releaseIdle()
  await until('the closing is told', () => first('closed'))
  const closed = first('closed')
  assertEvent(closed, 'closed', server, 'all')
  assert.equal(closed.processID, pid)
  assert.equal(closed.reason, 'released')

  const wrong = pool({ name: 'wrong', database: 'nowhere', retryMax: 0 })
  const toldWrong = heard(wrong)
  await assert.rejects(wrong.query('select 1'), { code: '3D000' })
  await until('the failure is told', () => toldWrong.event.some(({ kind }) => kind === 'open_failed'))
  const failed = toldWrong.event.find(({ kind }) => kind === 'open_failed')
  assertEvent(failed, 'open_failed', server, 'wrong')
  assert.match(failed.message, /3D000/)
  assert.equal(typeof failed.failure, 'string')
})

ours('notice: told what the server remarked on a query of the pool, and not what a client heard', async ({ pool, server }) => {
  const made = pool({ name: 'remarks' })
  const told = heard(made)
  await made.query("do $$ begin raise warning 'mind the gap'; end $$")
  await until('it is told', () => told.notice.length > 0)
  assertEvent(told.notice[0], 'notice', server, 'remarks')
  const { message, reason, sqlstate } = told.notice[0]
  assert.deepEqual({ message, reason, sqlstate }, { message: 'mind the gap', reason: 'warning', sqlstate: '01000' })
  const client = await made.connect()
  const own = []
  client.on('notice', (notice) => own.push(notice.message))
  await client.query("do $$ begin raise notice 'to the client'; end $$")
  // A client hears of its session whoever uses it, as with node-postgres.
  client.removeAllListeners('notice')
  client.release()
  await made.query("do $$ begin raise notice 'the last'; end $$")
  await until('the last is told', () => told.notice.length > 1)
  assert.deepEqual([own, told.notice[1].message], [['to the client'], 'the last'])
})

ours('event: a transaction that was left open is told as rolled back', async ({ pool, server }) => {
  const made = pool({ name: 'unclean', max: 1 })
  const told = heard(made)
  const client = await made.connect()
  const { processID } = client
  await client.query('begin')
  client.release()
  await until('it is told', () => told.event.some(({ kind }) => kind === 'rolled_back'))
  const each = told.event.find(({ kind }) => kind === 'rolled_back')
  assertEvent(each, 'rolled_back', server, 'unclean')
  assert.equal(each.processID, processID)
})

ours('a listener that throws keeps no other from hearing, and the pool goes on', async ({ pool }) => {
  const thrown = []
  const uncaught = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => thrown.push(error.message))
  try {
    const made = pool({ max: 1 })
    const later = []
    made.once('event', () => {
      throw new Error('by the listener')
    })
    const other = pool({ max: 1 })
    other.on('event', (each) => later.push(each))
    await Promise.all([made.query('select 1'), other.query('select 1')])
    await until('it was thrown', () => thrown.length > 0 && later.length > 0)
    assert.deepEqual(thrown, ['by the listener'])
    assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
  } finally {
    process.removeAllListeners('uncaughtException')
    uncaught.forEach((each) => process.on('uncaughtException', each))
  }
})

ours('nothing is told any more when the pool has ended', async ({ pool }) => {
  const made = pool({ max: 1 })
  const told = heard(made)
  await made.query('select 1')
  await made.end()
  const closed = told.event.filter(({ kind }) => kind === 'closed')
  assert.equal(closed.length, 1)
  assert.equal(closed[0].reason, 'pool_closed')
  const count = told.event.length
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(told.event.length, count)
})

ours('a session whose answer has just come is closed and not cut', async ({ pool }) => {
  for (let i = 0; i < 100; i += 1) {
    const made = pool({ max: 1 })
    const told = heard(made)
    await made.query('select 1')
    await made.end()
    assert.deepEqual(told.event.filter(({ kind }) => kind === 'closed').map(({ reason }) => reason), ['pool_closed'], `after ${i} pools`)
  }
})

ours('every caller that waits at a full server is told by its code and its fields', async ({ pool, server, DatabaseError }) => {
  const empty = await fill(server)
  try {
    for (const options of [{ retryMax: 0 }, { connectionTimeoutMillis: 700 }]) {
      const made = pool({ max: 4, ...options })
      const asked = Array.from({ length: 8 }, (_, i) => [() => made.query('select 1'), () => made.connect(), () => made.transaction(() => {})][i % 3]())
      for (const { status, reason } of await Promise.allSettled(asked)) {
        assert.equal(status, 'rejected')
        assert.ok(reason instanceof DatabaseError, reason.summary)
        assert.deepEqual([reason.code, reason.severity, reason.message, reason.kind], ['53300', 'FATAL', 'sorry, too many clients already', 'server_full'])
      }
    }
  } finally {
    await empty()
  }
})
