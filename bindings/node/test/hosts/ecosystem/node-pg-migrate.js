'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { Client } = require('pg')

module.exports = async (config, databaseUrl) => {
  const { runner } = await import('node-pg-migrate')
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'migrations-'))
  const write = (name, up, down) => fs.writeFileSync(path.join(dir, name), `exports.up = (pgm) => { ${up} }\nexports.down = (pgm) => { ${down} }`)
  write('1_things.js', "pgm.createTable('things', { id: 'id', name: { type: 'text', notNull: true } })", "pgm.dropTable('things')")
  write('2_index.js', "pgm.createIndex('things', 'name', { unique: true, name: 'things_by_name' })", "pgm.dropIndex('things', 'name', { name: 'things_by_name' })")
  const options = { dir, migrationsTable: 'migrations', log: () => {}, logger: { debug() {}, info() {}, warn() {}, error() {} } }
  const names = (done) => done.map(({ name }) => name)
  const seen = { up: names(await runner({ ...options, databaseUrl, direction: 'up' })) }
  const dbClient = new Client(config)
  await dbClient.connect()
  seen.tables = (await dbClient.query("select indexname from pg_indexes where tablename = 'things' order by 1")).rows
  seen.down = names(await runner({ ...options, dbClient, direction: 'down', count: 1 }))
  write('3_wrong.js', "pgm.sql('selec')", '')
  seen.failed = await runner({ ...options, dbClient, direction: 'up' }).catch((error) => error.code)
  await dbClient.query('rollback')
  seen.recorded = (await dbClient.query('select name from migrations order by id')).rows
  await dbClient.end()
  fs.rmSync(dir, { recursive: true })
  return seen
}
