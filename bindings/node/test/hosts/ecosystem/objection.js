'use strict'

const { Model, transaction, UniqueViolationError } = require('objection')
const Knex = require('knex')

module.exports = async (connection) => {
  const knex = Knex({ client: 'pg', connection, pool: { min: 0, max: 3 } })
  class Person extends Model {
    static tableName = 'persons'
    static get relationMappings() {
      return { pets: { relation: Model.HasManyRelation, modelClass: Pet, join: { from: 'persons.id', to: 'pets.owner' } } }
    }
  }
  class Pet extends Model {
    static tableName = 'pets'
  }
  Model.knex(knex)
  await knex.schema.createTable('persons', (table) => table.increments() && table.string('name').unique() && table.jsonb('extra'))
  await knex.schema.createTable('pets', (table) => table.increments() && table.integer('owner').references('persons.id') && table.string('name'))
  const seen = {
    inserted: await Person.query().insertGraph({ name: 'a', extra: { a: 1 }, pets: [{ name: 'x' }, { name: 'y' }] }),
    found: await Person.query().withGraphFetched('pets(ordered)').modifiers({ ordered: (query) => query.orderBy('id') }),
    joined: await Person.query().joinRelated('pets').select('persons.name', 'pets.name as pet').orderBy('pets.id'),
    refused: await Person.query().insert({ name: 'a' }).catch((error) => [error instanceof UniqueViolationError, error.constraint]),
    rolledBack: await transaction(knex, async (trx) => {
      await Person.query(trx).insert({ name: 'b' })
      throw new Error('changed my mind')
    }).catch((error) => error.message),
    counted: await Person.query().resultSize(),
  }
  await knex.destroy()
  return seen
}
