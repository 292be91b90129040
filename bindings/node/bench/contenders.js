'use strict'

const pg = require('pg')

/**
 * What is compared, each with the same number of connections and behind the same two functions. What is not installed is
 * left out, and said so.
 */

function ofPool(pool, name) {
  return {
    name,
    query: (text, values) => pool.query(text, values),
    end: () => pool.end(),
  }
}

const CONTENDERS = {
  pg: (config, max) => ofPool(new pg.Pool({ ...config, max }), 'pg'),
  'pg-native': (config, max) => {
    // Reading it loads the addon, which may not have been built.
    if (!pg.native) throw new Error('it is not built')
    return ofPool(new pg.native.Pool({ ...config, max }), 'pg-native')
  },
  postgres: (config, max) => {
    const postgres = require('postgres')
    const { user: username, ...rest } = config
    const sql = postgres({ ...rest, username, max, onnotice: () => {} })
    return {
      name: 'postgres',
      // Prepared, which is its default for statements of its own template.
      query: (text, values = []) => sql.unsafe(text, values, { prepare: true }),
      end: () => sql.end(),
    }
  },
  'pg-holdfast': (config, max) => {
    const { Pool } = require('..')
    return ofPool(new Pool({ ...config, max }), 'pg-holdfast')
  },
}

/** Those of these names that can be made. */
function makeContenders(names, config, max) {
  const made = []
  for (const name of names) {
    if (!(name in CONTENDERS)) throw new Error(`there is no contender ${JSON.stringify(name)}: choose of ${Object.keys(CONTENDERS).join(', ')}`)
    try {
      made.push(CONTENDERS[name](config, max))
    } catch (error) {
      const remedy = name === 'pg-native' ? ': install libpq-dev, then npm rebuild libpq' : ''
      console.error(`without ${name}, which does not load (${error.message.split('\n')[0]})${remedy}`)
    }
  }
  return made
}

module.exports = { makeContenders, names: Object.keys(CONTENDERS) }
