'use strict'

const assert = require('node:assert/strict')
const pg = require('pg')
const { suite, sleep, until } = require('../../support/drivers')
const { Thread } = require('../../support/threads')

// Pools in worker threads: those of each thread, and the one that threads share. A session is counted at the server, by
// a name that each test has for itself.
const { ours } = suite()

const SECONDS = 15000
let number = 0

/** Runs a test with a name for its sessions, and ends the threads that it left. */
function threads(title, body) {
  ours(title, async (given) => {
    number += 1
    const name = `threads ${number}.`
    const options = { ...given.server.config, application_name: name, max: 1, retryMax: 3, retryBaseDelay: 50, retryMaxDelay: 200 }
    const admin = new pg.Client(given.server.config)
    await admin.connect()
    const made = []
    const pools = []
    try {
      await body({
        ...given,
        options,
        admin,
        thread(more = {}, how) {
          made.push(new Thread({ ...options, ...more }, how))
          return made.at(-1)
        },
        shared(more = {}) {
          pools.push(given.Pool.shared({ ...options, ...more }))
          return pools.at(-1)
        },
        /** The server's processes of this test. */
        async sessions() {
          const { rows } = await admin.query('select pid from pg_stat_activity where starts_with(application_name, $1) order by pid', [name])
          return rows.map(({ pid }) => pid)
        },
      })
    } finally {
      await Promise.all(made.map((each) => each.terminate()))
      await Promise.all(pools.map((each) => each.ending || each.end()))
      await admin.end()
    }
  })
}

const PID = "return (await pool.query('select pg_backend_pid() as pid')).rows[0].pid"

async function pidOf(pool) {
  return (await pool.query('select pg_backend_pid() as pid')).rows[0].pid
}

threads('threads that ask for the same options use one pool', async ({ thread, shared, sessions }) => {
  const all = [thread(), thread(), thread()]
  const pids = await Promise.all([...all.map((each) => each.run(PID)), pidOf(shared())])
  assert.equal(new Set(pids).size, 1, pids.join())
  assert.deepEqual(await sessions(), [pids[0]])
})

threads('threads that ask for other options, or by another name, have pools of their own', async ({ thread, sessions }) => {
  const all = [thread(), thread({ name: 'another' }), thread({ statement_timeout: 12345 })]
  const pids = await Promise.all(all.map((each) => each.run(PID)))
  assert.equal(new Set(pids).size, 3, pids.join())
  assert.equal((await sessions()).length, 3)
})

threads('pools that are not shared are of one thread each, and go with it', async ({ thread, sessions }) => {
  const all = [thread({}, { shared: false }), thread({}, { shared: false })]
  const pids = await Promise.all(all.map((each) => each.run(PID)))
  assert.notEqual(pids[0], pids[1])
  await all[0].terminate()
  await until('its session is gone', async () => !(await sessions()).includes(pids[0]), SECONDS)
  assert.deepEqual(await sessions(), [pids[1]])
  assert.equal(await all[1].run(PID), pids[1])
})

threads('max is the most of all threads together', async ({ thread, sessions }) => {
  const all = [1, 2, 3, 4].map(() => thread({ max: 2 }))
  await Promise.all(all.map((each) => each.run(PID)))
  const work = 'await Promise.all(Array.from({ length: 8 }, () => pool.query("select pg_sleep(0.02)")))'
  let over = false
  const working = Promise.all(all.map((each) => each.run(work))).finally(() => {
    over = true
  })
  let most = 0
  while (!over) most = Math.max(most, (await sessions()).length)
  await working
  assert.ok(most >= 1 && most <= 2, `${most} sessions`)
  const figures = await Promise.all(all.map((each) => each.run('const { total, maxSize } = pool.stats(); return { total, maxSize }')))
  for (const each of figures) assert.deepEqual(each, figures[0])
  assert.equal(figures[0].maxSize, 2)
})

threads('a thread that ends its pool leaves it to the others, and the last one closes it', async ({ thread, shared, sessions }) => {
  const [first, second] = [thread(), thread()]
  const pid = await first.run(PID)
  const made = shared()
  assert.equal(await second.run(PID), pid)
  await first.run('await pool.end()')
  assert.equal(await second.run(PID), pid)
  await assert.rejects(first.run(PID), { message: 'Cannot use a pool after calling end on the pool' })
  await second.run('await pool.end()')
  assert.equal(await pidOf(made), pid)
  await made.end()
  await until('no session is left', async () => (await sessions()).length === 0, SECONDS)
})

threads('a pool that all threads have ended can be asked for anew', async ({ thread, shared }) => {
  const worker = thread()
  const pid = await worker.run(PID)
  await worker.run('await pool.end()')
  assert.notEqual(await pidOf(shared()), pid)
})

/** How a thread may come to its end without ending its pool. */
const ENDS = {
  'is terminated': (worker) => worker.terminate(),
  'calls process.exit': async (worker) => {
    worker.run('process.exit(0)')
    await worker.exited
  },
  'throws what nobody catches': async (worker) => {
    worker.run('setImmediate(() => { throw new Error("on purpose") })').catch(() => {})
    assert.equal((await worker.failure).message, 'on purpose')
    await worker.exited
  },
  'has nothing more to do': async (worker) => {
    worker.run('parentPort.unref()')
    await worker.exited
  },
}

for (const [how, ends] of Object.entries(ENDS)) {
  threads(`a thread that ${how} leaves the pool usable, also if it opened it`, async ({ thread, shared, sessions }) => {
    const first = thread()
    const pid = await first.run(PID)
    const second = thread()
    assert.equal(await second.run(PID), pid)
    await ends(first)
    assert.equal(await second.run(PID), pid)
    const made = shared()
    assert.equal(await pidOf(made), pid)
    // A session that is opened after it.
    assert.equal(await made.releaseIdle(), 1)
    assert.notEqual(await second.run(PID), pid)
    assert.equal((await sessions()).length, 1)
  })

  threads(`after a thread that ${how}, end() in the last one closes all sessions`, async ({ thread, shared, sessions }) => {
    const worker = thread()
    const made = shared()
    assert.equal(await worker.run(PID), await pidOf(made))
    await ends(worker)
    await made.end()
    await until('no session is left', async () => (await sessions()).length === 0)
  })
}

threads('a thread alone that is terminated takes the sessions along', async ({ thread, sessions }) => {
  const worker = thread()
  await worker.run(PID)
  await worker.terminate()
  await until('no session is left', async () => (await sessions()).length === 0)
})

threads('a client that a terminated thread had comes back', async ({ thread, shared }) => {
  const worker = thread()
  await worker.run('state.client = await pool.connect(); await state.client.query("begin")')
  const made = shared()
  await assert.rejects(made.query('select 1', [], { deadline: 200, maxRetries: 0 }))
  await worker.terminate()
  const client = await made.connect({ timeout: 5000 })
  try {
    await client.query('select 1')
    assert.equal(client.getTransactionStatus(), 'I', 'the transaction of the thread is still open')
  } finally {
    client.release()
  }
})

/** What a thread may be about as it is terminated. */
const ABOUT = {
  'a query of the pool': 'await pool.query("select pg_sleep(60)")',
  'a query of a client': 'const client = await pool.connect(); await client.query("select pg_sleep(60)")',
  'a transaction': `await pool.transaction(async (client) => {
    await client.query("insert into left_by_threads values (1)")
    await new Promise(() => {})
  })`,
  'a large result':
    'for await (const row of pool.iterate("select i from generate_series(1, 1000000) i", [], { batchSize: 10 })) await new Promise(() => {})',
}

for (const [what, text] of Object.entries(ABOUT)) {
  threads(`${what} of a terminated thread holds up nobody`, async ({ thread, shared, admin }) => {
    await admin.query('create table if not exists left_by_threads (n int)')
    const made = shared()
    const worker = thread()
    await worker.run('await pool.query("select 1")')
    worker.run(text).catch(() => {})
    await until('it has the connection', () => made.stats().inUse === 1, SECONDS)
    await worker.terminate()
    assert.equal((await made.query('select 1 as one', [], { deadline: 7000 })).rows[0].one, 1)
    assert.equal((await made.query('select * from left_by_threads')).rowCount, 0)
  })
}

threads('each thread that listens hears the events of the pool', async ({ thread, shared, admin }) => {
  const listen = 'state.told = []; pool.on("event", (each) => state.told.push(each))'
  const told = 'return state.told.map(({ kind, processID }) => ({ kind, processID }))'
  const workers = [thread(), thread()]
  for (const each of workers) await each.run(listen)
  const made = shared()
  const mine = []
  made.on('event', (each) => mine.push(each))
  const pid = await pidOf(made)
  const opened = (all) => all.some((each) => each.kind === 'opened' && each.processID === pid)
  await until('the main thread hears it', () => opened(mine))
  for (const each of workers) await until('each worker hears it', async () => opened(await each.run(told)))
  await admin.query('select pg_terminate_backend($1)', [pid])
  await until('the session is gone', async () => (await admin.query('select from pg_stat_activity where pid = $1', [pid])).rowCount === 0)
  // It is found dead as it is used.
  await sleep(600)
  assert.notEqual(await workers[0].run(PID), pid)
  const closed = (all) => all.some((each) => each.kind === 'closed' && each.processID === pid)
  await until('the main thread hears of the end', () => closed(mine))
  for (const each of workers) await until('each worker hears of the end', async () => closed(await each.run(told)))
  for (const all of [mine, ...(await Promise.all(workers.map((each) => each.run(told))))]) {
    assert.equal(all.filter((each) => each.kind === 'opened' && each.processID === pid).length, 1, 'told once')
  }
})

threads('events are heard still when the thread is gone that opened the pool', async ({ thread, shared }) => {
  const worker = thread()
  await worker.run(PID)
  const made = shared()
  const told = []
  made.on('event', (each) => told.push(each.kind))
  await pidOf(made)
  await worker.terminate()
  await made.releaseIdle()
  await pidOf(made)
  await until('they are told', () => told.includes('closed') && told.includes('opened'))
})

threads('a thread that has ended its pool hears no more of it', async ({ thread, shared }) => {
  const worker = thread()
  await worker.run('state.told = []; pool.on("event", ({ kind }) => state.told.push(kind))')
  const made = shared()
  await pidOf(made)
  await worker.run('await pool.end()')
  const before = await worker.run('return state.told.length')
  await made.releaseIdle()
  await pidOf(made)
  assert.equal(await worker.run('return state.told.length'), before)
})

threads('a shared pool whose password changed is closed by end() with all its sessions', async ({ shared, admin, sessions, server }) => {
  await admin.query("create role changing login password 'first'")
  await server.demandPassword('changing')
  let password = 'first'
  const made = shared({ name: 'changing', user: 'changing', max: 2, password: () => password })
  const client = await made.connect()
  await admin.query("alter role changing password 'second'")
  password = 'second'
  assert.notEqual(await pidOf(made), client.processID)
  client.release()
  await made.end()
  await until('no session is left', async () => (await sessions()).length === 0)
})

threads('a shared pool that was dropped without end() is collected, with its sessions', async ({ thread, options, sessions }) => {
  // As a shared one of the thread's own, which nothing but the program holds.
  const worker = thread({}, { shared: false })
  await worker.run(`
    const { Pool } = require(${JSON.stringify(require.resolve('../../..'))})
    require('node:v8').setFlagsFromString('--expose-gc')
    state.gc = require('node:vm').runInNewContext('gc')
    await new Pool({ ...${JSON.stringify(options)}, shared: true }).query('select 1')`)
  assert.equal((await sessions()).length, 1)
  await until('its session is gone', async () => {
    await worker.run('state.gc(); await new Promise((resolve) => setTimeout(resolve, 20))')
    return (await sessions()).length === 0
  })
})

threads('many threads that come and go leave one pool', async ({ thread, shared, sessions }) => {
  const made = shared({ max: 2 })
  await pidOf(made)
  for (let round = 0; round < 5; round++) {
    const workers = [1, 2, 3].map(() => thread({ max: 2 }))
    await Promise.all(workers.map((each) => each.run(PID)))
    workers[0].run('await pool.query("select pg_sleep(60)")').catch(() => {})
    await Promise.all(workers.map((each, i) => (i === 1 ? each.run('await pool.end()') : each.terminate())))
  }
  assert.equal((await made.query('select 1 as one', [], { deadline: 15000 })).rows[0].one, 1)
  assert.ok((await sessions()).length <= 2)
  await made.end()
  await until('no session is left', async () => (await sessions()).length === 0)
})
