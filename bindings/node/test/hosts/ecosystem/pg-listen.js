'use strict'

const createSubscriber = require('pg-listen').default

module.exports = async (_, connectionString) => {
  const heard = []
  const subscriber = createSubscriber({ connectionString }, { retryLimit: 3, retryInterval: 100 })
  const connected = []
  subscriber.events.on('connected', () => connected.push('connected'))
  subscriber.events.on('reconnect', () => connected.push('reconnect'))
  await subscriber.connect()
  await subscriber.listenTo('news')
  const told = (n) => new Promise((resolve) => subscriber.notifications.on('news', (payload) => {
    heard.push(payload)
    if (payload.n === n) resolve()
  }))
  const first = told(1)
  await subscriber.notify('news', { n: 1, text: "it's" })
  await first
  await subscriber.unlistenAll()
  await subscriber.close()
  return { heard, connected }
}
