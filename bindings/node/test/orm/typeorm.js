'use strict'

require('reflect-metadata')
const { DataSource, EntitySchema } = require('typeorm')

const Thing = new EntitySchema({
  name: 'Thing',
  tableName: 'typeorm_things',
  columns: {
    id: { type: Number, primary: true, generated: true },
    name: { type: String, unique: true },
    at: { type: 'timestamptz', nullable: true },
    tags: { type: 'text', array: true, nullable: true },
    extra: { type: 'jsonb', nullable: true },
  },
})

module.exports = async ({ host, port, user: username, database }) => {
  const source = new DataSource({ type: 'postgres', host, port, username, database, synchronize: true, entities: [Thing] })
  await source.initialize()
  const things = source.getRepository('Thing')
  const streamed = []
  const seen = {
    saved: await things.save({ name: 'a', at: new Date(0), tags: ['x', 'y'], extra: { k: 1 } }),
    found: await things.find(),
    inTransaction: await source.transaction(async (manager) => {
      await manager.save('Thing', { name: 'b' })
      return manager.count('Thing')
    }),
    rolledBack: await source.transaction(async (manager) => {
      await manager.save('Thing', { name: 'd' })
      throw new Error('changed my mind')
    }).catch((error) => error.message),
    refused: await things.save({ name: 'a' }).catch((error) => [error.code, error.constructor.name]),
    counted: await things.createQueryBuilder('thing').where('thing.name = :name', { name: 'a' }).getCount(),
    streamed,
  }
  for await (const row of await things.createQueryBuilder('thing').orderBy('thing.id').stream()) streamed.push(row)
  await source.destroy()
  return seen
}
