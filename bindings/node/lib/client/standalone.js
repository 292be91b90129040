'use strict'

// A client without a pool, as programs use one for a script or for LISTEN: it has a pool of its own with one session.

const { NONE } = require('../native')
const { copyOptions } = require('../node/hidden')
const { NOOP, Query } = require('../query')

/** As PostgreSQL's protocol has it: what a server reports without being asked, with the upper and lower case it gives them. */
const REPORTED = [
  'application_name', 'client_encoding', 'DateStyle', 'default_transaction_read_only', 'in_hot_standby', 'integer_datetimes',
  'IntervalStyle', 'is_superuser', 'server_encoding', 'server_version', 'session_authorization', 'standard_conforming_strings', 'TimeZone',
]

/** Options that are a pool's business: it has one session, for as long as the program wants it. */
const OF_OWN_POOL = { max: 1, min: 0, fleetShare: false, onConnect: undefined, verify: undefined, maxUses: undefined, Client: undefined }

/**
 * Opens the session of a client by itself.
 * @param {import('.').Client} client
 */
async function openOwnPool(client) {
  const Pool = require('../pool')
  client._own = new Pool(Object.assign(copyOptions(client._options), OF_OWN_POOL))
  client._own._makeClient = () => client
  // connect() is what runs: there is nothing else to be done for a new session.
  client._introduced = true
  try {
    await new Promise((resolve, reject) => {
      client._own._acquire({}, (error) => (error ? reject(error) : resolve()))
    })
    await tellParameters(client)
  } catch (error) {
    client._over = endOwnPool(client)
    throw error
  }
}

/** Closes it, once what was asked for before is done. */
async function endOwnPool(client) {
  const pool = client._own
  if (pool === undefined) return
  if (client._handle !== NONE) pool._release(client, true)
  if (!pool.ending) await pool.end().catch(NOOP)
}

/** Tells Sequelize, which listens for them, what the server reports as a session begins. */
async function tellParameters(client) {
  const { connection } = client
  if (connection.listenerCount('parameterStatus') === 0) return
  const query = new Query('select name, setting from pg_settings where name = any ($1)', [REPORTED])
  const asked = query.promised(Promise)
  // Before the queries that wait for the session.
  client._send(query)
  const { rows } = await asked
  for (const { name, setting } of rows) connection.emit('parameterStatus', { name: 'parameterStatus', parameterName: name, parameterValue: setting })
}

module.exports = { openOwnPool, endOwnPool, tellParameters }
