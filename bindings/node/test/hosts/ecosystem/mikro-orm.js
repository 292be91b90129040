'use strict'

const { EntitySchema, UniqueConstraintViolationException } = require('@mikro-orm/core')
const { MikroORM } = require('@mikro-orm/postgresql')

const Thing = new EntitySchema({
  name: 'Thing',
  properties: {
    id: { type: 'number', primary: true },
    name: { type: 'string', unique: true },
    at: { type: 'Date', nullable: true },
    tags: { type: 'string[]', nullable: true },
    extra: { type: 'json', nullable: true },
  },
})

module.exports = async ({ host, port, user, database: dbName }) => {
  const orm = await MikroORM.init({ entities: [Thing], host, port, user, dbName, debug: false })
  await orm.schema.createSchema()
  const em = () => orm.em.fork()
  const writer = em()
  writer.create('Thing', { name: 'a', at: new Date(0), tags: ['x', 'y'], extra: { k: 1 } })
  writer.create('Thing', { name: 'b' })
  await writer.flush()
  const seen = {
    found: (await em().find('Thing', {}, { orderBy: { id: 1 } })).map((each) => ({ ...each })),
    refused: await em().insert('Thing', { name: 'a' }).catch((error) => [error instanceof UniqueConstraintViolationException, error.code]),
    rolledBack: await em().transactional(async (inner) => {
      await inner.insert('Thing', { name: 'c' })
      throw new Error('changed my mind')
    }).catch((error) => error.message),
    counted: await em().count('Thing'),
    raw: await em().getConnection().execute('select ?::int as n', [5]),
  }
  await orm.close(true)
  return seen
}
