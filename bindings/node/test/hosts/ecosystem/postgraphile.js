'use strict'

const { Pool } = require('pg')
const { createPostGraphileSchema, withPostGraphileContext } = require('postgraphile')
const { graphql } = require('graphql')

module.exports = async (config) => {
  const pool = new Pool(config)
  await pool.query('create table things (id serial primary key, name text not null unique, tags text[], extra jsonb)')
  const schema = await createPostGraphileSchema(pool, 'public', { dynamicJson: true })
  const ask = (source) => withPostGraphileContext({ pgPool: pool, pgSettings: { 'app.user': '7' } }, (contextValue) =>
    graphql({ schema, source, contextValue }))
  const seen = {
    created: await ask('mutation { createThing(input: { thing: { name: "a", tags: ["x"], extra: { a: 1 } } }) { thing { id name tags extra } } }'),
    found: await ask('{ allThings(orderBy: ID_ASC) { totalCount nodes { name tags extra } } }'),
    refused: await ask('mutation { createThing(input: { thing: { name: "a" } }) { thing { id } } }').then(({ errors }) => errors.map(({ message }) => message)),
  }
  await pool.end()
  return seen
}
