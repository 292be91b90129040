'use strict'

const { app } = require('./app')
const { pool, prepare } = require('./database')

async function main() {
  await prepare()
  const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${server.address().port}/items`)
  })
  process.once('SIGTERM', () => {
    server.close(() => pool.end())
    server.closeAllConnections()
  })
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
