'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { suite, until } = require('../../support/drivers')

const { both, ours } = suite()

both('text, values and callback are taken in all orders', async ({ pool }) => {
  const made = pool()
  assert.equal((await made.query('select 1 as v')).rows[0].v, 1)
  assert.equal((await made.query('select $1::int as v', [2])).rows[0].v, 2)
  assert.equal((await made.query({ text: 'select $1::int as v', values: [3] })).rows[0].v, 3)
  assert.equal((await made.query({ text: 'select $1::int as v' }, [4])).rows[0].v, 4)
  const called = (...given) => new Promise((resolve, reject) => {
    assert.equal(made.query(...given, (error, result) => (error ? reject(error) : resolve(result.rows[0].v))), undefined)
  })
  assert.equal(await called('select 5 as v'), 5)
  assert.equal(await called('select $1::int as v', [6]), 6)
  assert.equal(await called({ text: 'select 7 as v' }), 7)
})

both('a frozen config is taken and stays as it is', async ({ pool }) => {
  const config = Object.freeze({ text: 'select $1::text as v', values: Object.freeze(['x']), name: 'frozen' })
  assert.equal((await pool().query(config)).rows[0].v, 'x')
})

both('a callback is given null and the result, or the error alone', async ({ pool }) => {
  const made = pool()
  const given = (text) => new Promise((resolve) => made.query(text, (...all) => resolve(all)))
  const [none, result] = await given('select 1 as one')
  assert.ok(none === null || none === undefined)
  assert.equal(result.rows[0].one, 1)
  const [error, nothing] = await given('selec')
  assert.equal(error.code, '42601')
  assert.equal(nothing, undefined)
})

both('a function as the first argument is refused', async ({ pool }) => {
  const made = pool()
  await new Promise((resolve) => {
    made.query((error) => {
      assert.match(error.message, /Passing a function as the first parameter/)
      resolve()
    })
  })
})

both('rows can be arrays', async ({ pool }) => {
  const result = await pool().query({ text: 'select 1 as a, 2 as a, 3 as b', rowMode: 'array' })
  assert.deepEqual(result.rows, [[1, 2, 3]])
})

both('of columns with the same name the last one stays', async ({ pool }) => {
  assert.deepEqual((await pool().query('select 1 as a, 2 as a')).rows.map((row) => ({ ...row })), [{ a: 2 }])
})

both('several statements give an array of results', async ({ pool }) => {
  const results = await pool().query("select 1 as a; create temp table t (b int); insert into t values (1), (2); select 'x;y' as c")
  assert.deepEqual(results.map((each) => each.command), ['SELECT', 'CREATE', 'INSERT', 'SELECT'])
  assert.deepEqual(results.map((each) => each.rowCount), [1, null, 2, 1])
  assert.equal(results[3].rows[0].c, 'x;y')
})

both('a semicolon at the end or in a text makes no array', async ({ pool }) => {
  const made = pool()
  assert.equal((await made.query('select 1 as one;')).rows[0].one, 1)
  assert.equal((await made.query("select ';' as v")).rows[0].v, ';')
  assert.equal((await made.query('select 1 as one; -- done')).rows[0].one, 1)
})

both('several statements with values are refused by the server', async ({ pool }) => {
  await assert.rejects(pool().query('select $1::int; select 2', [1]), { code: '42601' })
})

both('an empty text gives a result of nothing', async ({ pool }) => {
  for (const text of ['', ' ', ';', '-- nothing']) {
    const { command, rowCount, rows, fields } = await pool().query(text)
    assert.deepEqual({ command, rowCount, rows, fields }, { command: null, rowCount: null, rows: [], fields: [] }, JSON.stringify(text))
  }
})

both('types of one query override those of the pool', async ({ pool }) => {
  const types = (mark) => ({ getTypeParser: () => (value) => `${mark}${value}` })
  const made = pool({ types: types('pool ') })
  assert.equal((await made.query('select 1 as v')).rows[0].v, 'pool 1')
  assert.equal((await made.query({ text: 'select 1 as v', types: types('query ') })).rows[0].v, 'query 1')
})

both('a type parser that is set for all takes effect at once', async ({ pool, types }) => {
  const made = pool()
  const before = types.getTypeParser(20, 'text')
  assert.equal((await made.query('select 1::int8 as v')).rows[0].v, '1')
  types.setTypeParser(20, (value) => Number(value) + 0.5)
  try {
    assert.equal((await made.query('select 1::int8 as v')).rows[0].v, 1.5)
  } finally {
    types.setTypeParser(20, before)
  }
})

both('a parser that throws fails its query', async ({ pool }) => {
  const made = pool()
  const types = { getTypeParser: () => () => { throw new Error('cannot parse') } }
  await assert.rejects(made.query({ text: 'select 1', types }), { message: 'cannot parse' })
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})

both('a value that cannot be prepared fails its query alone', async ({ pool }) => {
  const made = pool({ max: 1 })
  await assert.rejects(made.query('select $1::text', [{ toPostgres() { throw new Error('cannot be sent') } }]), { message: 'cannot be sent' })
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})

both('a name belongs to one text', async ({ pool }) => {
  const made = pool({ max: 1 })
  assert.equal((await made.query({ name: 'one', text: 'select 1 as v' })).rows[0].v, 1)
  assert.equal((await made.query({ name: 'one', text: 'select 1 as v' })).rows[0].v, 1)
  await assert.rejects(made.query({ name: 'one', text: 'select 2 as v' }), /Prepared statements must be unique - 'one' was used for a different statement/)
})

both('neither text nor name is refused', async ({ pool }) => {
  await assert.rejects(pool().query({ values: [1] }), /A query must have either text or a name/)
})

both('values that are no array are refused', async ({ pool }) => {
  await assert.rejects(pool().query('select $1', 'x'), /Query values must be an array/)
})

both('an error of the server has its fields and a stack that names the caller', async ({ pool, DatabaseError }) => {
  const made = pool()
  await made.query('create temp table unique_things (id int primary key)').catch(() => {})
  async function caller() {
    await made.query("select 'x'::int")
  }
  const error = await caller().then(() => assert.fail('it went well'), (each) => each)
  assert.ok(error instanceof DatabaseError)
  assert.equal(error.name, 'error')
  assert.equal(error.code, '22P02')
  assert.equal(error.severity, 'ERROR')
  assert.match(error.message, /invalid input syntax for type integer/)
  assert.match(error.stack, /caller/)
})

both('a pool goes on after an error of the server', async ({ pool }) => {
  const made = pool({ max: 1 })
  for (let i = 0; i < 5; i++) await assert.rejects(made.query('selec'))
  assert.equal((await made.query('select 1 as one')).rows[0].one, 1)
})

both('query_timeout ends the wait for an answer', async ({ pool }) => {
  const made = pool({ query_timeout: 100, max: 1 })
  await assert.rejects(made.query('select pg_sleep(3)'), { message: 'Query read timeout' })
})

both('large texts and many rows come whole', async ({ pool }) => {
  const made = pool()
  const text = 'ä€𝄞x'.repeat(50000)
  assert.equal((await made.query('select $1::text as v', [text])).rows[0].v, text)
  const { rows } = await made.query('select i, i::text as t from generate_series(1, 20000) i')
  assert.equal(rows.length, 20000)
  assert.deepEqual({ ...rows[19999] }, { i: 20000, t: '20000' })
})

both('many queries at once all get their own answers', async ({ pool }) => {
  const made = pool({ max: 4 })
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => made.query('select $1::int as v', [i])))
  assert.deepEqual(answers.map((each) => each.rows[0].v), Array.from({ length: 500 }, (_, i) => i))
})

ours('what a callback throws is uncaught, and the other queries go on', ({ server }) => {
  // In a process of its own, since the runner of tests takes uncaught errors for its own.
  const program = `
    const made = new (require(${JSON.stringify(require.resolve('../../..'))}).Pool)(${JSON.stringify(server.url)})
    process.once('uncaughtException', (error) => console.log(error.message))
    made.query('select 1', () => { throw new Error('thrown by a callback') })
    made.query('select 42 as v').then(({ rows }) => console.log(rows[0].v))`
  const said = execFileSync(process.execPath, ['-e', program], { encoding: 'utf8', timeout: 20000 })
  assert.deepEqual(said.trim().split('\n').sort(), ['42', 'thrown by a callback'])
})

ours('a session outlives an error of the server, unless closeOnError says otherwise', async ({ pool }) => {
  for (const [closeOnError, same] of [[false, true], [true, false]]) {
    const made = pool({ max: 1, closeOnError })
    const pid = async () => (await made.query('select pg_backend_pid() as pid')).rows[0].pid
    const before = await pid()
    await assert.rejects(made.query('selec'))
    assert.equal((await pid()) === before, same, `closeOnError: ${closeOnError}`)
  }
})

ours('an object with submit() is refused with what to use instead', async ({ pool }) => {
  await assert.rejects(pool().query({ submit() {} }), /pool\.iterate\(\)/)
})

ours('an aborted query is cancelled at the server', async ({ pool }) => {
  const made = pool({ max: 2 })
  const controller = new AbortController()
  const text = "select pg_sleep(20) /* to be aborted */"
  const running = made.query(text, [], { signal: controller.signal })
  const seen = async () => (await made.query("select count(*)::int as n from pg_stat_activity where state = 'active' and query like '%to be aborted%' and pid <> pg_backend_pid()")).rows[0].n
  await until('it runs', async () => (await seen()) === 1)
  controller.abort()
  await assert.rejects(running, { name: 'AbortError' })
  await until('it ended', async () => (await seen()) === 0)
  await assert.rejects(made.query('select 1', [], { signal: controller.signal }), { name: 'AbortError' })
})

ours('a deadline ends the statement', async ({ pool }) => {
  const begun = Date.now()
  await assert.rejects(pool().query('select pg_sleep(20)', [], { deadline: 100 }), (error) => {
    assert.equal(error.kind, 'query_timeout')
    return true
  })
  assert.ok(Date.now() - begun < 5000)
})

ours('options that cannot be are refused by name', async ({ pool }) => {
  const made = pool()
  await assert.rejects(made.query('select 1', [], { maxRetries: -1 }), /maxRetries must be a whole number from 0 on, not -1/)
  await assert.rejects(made.query('select 1', [], { deadline: 'soon' }), /deadline must be a number of milliseconds/)
  await assert.rejects(made.query('select 1', [], { signal: {} }), /signal must be an AbortSignal/)
})

ours('a deadline is the limit of the whole: of waiting for a client and of the statement together', async ({ pool }) => {
  const made = pool({ max: 1 })
  const client = await made.connect()
  setTimeout(() => client.release(), 1500)
  const begun = performance.now()
  await assert.rejects(made.query('select pg_sleep(20)', [], { deadline: 2000 }), { kind: 'query_timeout' })
  const took = performance.now() - begun
  // One after the other they would take 3,500 ms.
  assert.ok(took >= 1990 && took < 3300, `it took ${took} ms`)
})

ours('a deadline is the limit of waiting for a client, whatever the query goes through', async ({ pool }) => {
  const made = pool({ max: 1 })
  const listening = pool({ max: 1 })
  listening.on('acquire', () => {})
  for (const each of [made, listening]) {
    const client = await each.connect()
    const runs = [
      () => each.query('select 1', [], { deadline: 200 }),
      () => each.query('select 1; select 2', [], { deadline: 200 }),
      () => each.transaction((inside) => inside.query('select 1'), { deadline: 200 }),
    ]
    for (const run of runs) {
      const begun = performance.now()
      await assert.rejects(run(), { kind: 'pool_timeout' })
      const took = performance.now() - begun
      assert.ok(took >= 190 && took < 2000, `it took ${took} ms`)
    }
    client.release()
  }
})
