'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const holdfast = require('pg-holdfast')
const pg = require('pg')

// This package requires itself by its name, so that the exports of its package.json are looked at.
const PATHS = ['client', 'connection', 'connection-parameters', 'defaults', 'index', 'query', 'result', 'type-overrides', 'utils']

test('what packages require of pg/lib is there, with and without an extension', () => {
  for (const path of PATHS) {
    const ours = require(`pg-holdfast/lib/${path}`)
    assert.equal(ours, require(`pg-holdfast/lib/${path}.js`))
    assert.equal(typeof ours, typeof require(`pg/lib/${path}`), path)
  }
  assert.equal(require('pg-holdfast/lib/client'), holdfast.Client)
  assert.equal(require('pg-holdfast/lib/query'), holdfast.Query)
  assert.deepEqual(Object.keys(require('pg-holdfast/lib/utils')).sort(), Object.keys(pg.utils).sort())
  assert.deepEqual(Object.keys(pg.defaults).filter((name) => !(name in holdfast.defaults)), [])
})

test('everything that pg exports is exported, by modules of both kinds', async () => {
  const modules = await import('pg-holdfast')
  for (const name of Object.keys(pg).filter((each) => each !== '_pools')) {
    assert.equal(typeof holdfast[name], typeof pg[name], name)
    assert.equal(modules[name], holdfast[name], name)
  }
  assert.equal(holdfast.Client.Query, holdfast.Query)
  assert.equal(holdfast.native, null)
})

test('connection parameters are read as by node-postgres', () => {
  const Ours = require('pg-holdfast/lib/connection-parameters')
  const Theirs = require('pg/lib/connection-parameters')
  for (const config of ['postgres://u:p@h:1234/d', { host: '/run/postgresql', user: 'u' }, { connectionString: 'postgres://u@h/d', max: 3 }]) {
    const [ours, theirs] = [new Ours(config), new Theirs(config)]
    for (const name of ['user', 'password', 'host', 'port', 'database', 'isDomainSocket']) assert.equal(ours[name], theirs[name], `${name} of ${JSON.stringify(config)}`)
  }
})
