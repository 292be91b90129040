'use strict'

const { NodeTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-node')
const { registerInstrumentations } = require('@opentelemetry/instrumentation')
const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg')

const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
provider.register()
registerInstrumentations({ tracerProvider: provider, instrumentations: [new PgInstrumentation({ enhancedDatabaseReporting: true })] })

const { Client, Pool } = require('pg')

module.exports = async (config) => {
  const tracer = provider.getTracer('test')
  const pool = new Pool(config)
  await tracer.startActiveSpan('request', async (span) => {
    await pool.query('select $1::int as n', [1])
    await pool.query({ name: 'two', text: 'select 2 as two' })
    await pool.query('selec').catch(() => {})
    const client = await pool.connect()
    await client.query('begin')
    await new Promise((resolve) => client.query('select 3 as three', resolve))
    await client.query('commit')
    client.release()
    const alone = new Client(config)
    await alone.connect()
    await alone.query('select 4 as four')
    await alone.end()
    span.end()
  })
  await pool.end()
  const spans = exporter.getFinishedSpans()
  const request = spans.find(({ name }) => name === 'request')
  const ours = spans.filter(({ name }) => name.startsWith('pg.query'))
  return {
    queries: ours.map(({ name, attributes, status }) => ({ name, attributes: { ...attributes, 'db.connection_string': undefined, 'net.peer.port': undefined, 'server.port': undefined }, status: status.code })),
    belong: ours.every((span) => span.spanContext().traceId === request.spanContext().traceId),
    connects: spans.some(({ name }) => name === 'pg.connect'),
  }
}
