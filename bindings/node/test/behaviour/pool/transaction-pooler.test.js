'use strict'

const assert = require('node:assert/strict')
const { execFile, execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { promisify } = require('node:util')
const { startServer } = require('../../support/server')
const { suite, until } = require('../../support/drivers')

// Three processes on two server connections, behind a PgBouncer that gives each transaction another one.

const { both } = suite(() => startServer())
const SECONDS = process.env.HOLDFAST_POOLER_SECONDS ?? '1'

/** The user that PgBouncer drops to: it refuses to be root. */
const account = process.getuid() === 0 ? ['-u', 'postgres'] : []

/** Settings for a pooler that keeps no prepared statements, and, where it can (1.21 and later), for one that does. */
function trackings() {
  const [major, minor] = execFileSync('pgbouncer', ['--version'], { encoding: 'utf8' }).match(/(\d+)\.(\d+)/).slice(1).map(Number)
  return major > 1 || minor >= 21 ? ['max_prepared_statements=0', 'max_prepared_statements=50'] : ['']
}

const accepts = (port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('connect', () => resolve(true)).on('error', () => resolve(false)).on('connect', () => socket.destroy())
})

async function withPooler(server, settings, body) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pg-holdfast-pgbouncer-'))
  const probe = net.createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  const file = path.join(directory, 'pgbouncer.ini')
  fs.chmodSync(directory, 0o755)
  fs.writeFileSync(file, `[databases]
* = host=${server.host} port=${server.port} user=${server.user}
[pgbouncer]
listen_addr=127.0.0.1
listen_port=${port}
auth_type=any
unix_socket_dir=
pool_mode=transaction
default_pool_size=2
${settings}
`)
  const pooler = spawn('pgbouncer', [...account, file], { stdio: 'ignore' })
  try {
    await until('PgBouncer accepts', () => accepts(port), 10000)
    await body(`postgresql://${server.user}@127.0.0.1:${port}/${server.database}`)
  } finally {
    pooler.kill('SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

both('behind a transaction pooler every row is of the process that asked, and no call fails', async ({ name, server }) => {
  const asker = path.join(__dirname, '..', '..', 'support', 'asker.js')
  for (const settings of trackings()) {
    await withPooler(server, settings, async (url) => {
      const processes = ['a', 'b', 'c'].map((owner) => promisify(execFile)(process.execPath, [asker, url, owner, SECONDS, name]))
      for (const { stdout } of await Promise.all(processes)) {
        assert.ok(Number(stdout.match(/asked (\d+)/)[1]) > 50, stdout)
      }
    })
  }
})
