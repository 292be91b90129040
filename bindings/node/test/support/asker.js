'use strict'

// Asks for rows of its own at full rate, behind a pooler that other processes use too. Arguments: the connection string, the name
// in its rows, for how many seconds, and the package to ask with (`pg` for comparison).

const assert = require('node:assert/strict')
const path = require('node:path')

const [connectionString, owner, seconds, driver] = process.argv.slice(2)
const { Pool } = driver === 'pg' ? require('pg') : require(path.join(__dirname, '..', '..'))
const TEXTS = 30
const ASKERS = 4

async function main() {
  const pool = new Pool({ connectionString, max: 4 })
  const end = performance.now() + Number(seconds) * 1000
  let asked = 0
  async function ask(first) {
    for (let n = first; performance.now() < end; n += 1, asked += 1) {
      const text = `select '${owner}'::text as owner, $1::int as id, ${n % TEXTS} as text`
      const { rows } = await pool.query(text, [n])
      assert.deepEqual({ ...rows[0] }, { owner, id: n, text: n % TEXTS })
    }
  }
  await Promise.all(Array.from({ length: ASKERS }, (_, i) => ask(i * 7)))
  await pool.end()
  console.log(`asked ${asked}`)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
