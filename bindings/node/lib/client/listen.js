'use strict'

// Clients that were handed out and whose owner wants to hear what comes without being asked for: notifications, and that the
// connection is lost. While nothing runs on such a client a thread of the addon waits for its socket.

const { awaitReadable, forgetReadable } = require('../native')
const { setTimeout, setInterval, clearInterval } = require('../node/timers')
const { AsyncResource } = require('../node/context')
const { NOOP } = require('../query')

/** A client that is idle for less is about to run its next query: to wait for that would be for nothing. */
const SETTLED_MILLIS = 10
const FOR_EVER = 2 ** 31 - 1

const watched = new Set()
let timer = null
let holder = null

/** Begins or ends to watch a client, whose listeners or whose owner changed. */
function update(client) {
  if (client._wantsToHear()) {
    // Listeners are called in the context of the caller that has the client.
    client._scope ??= new AsyncResource('PG_HOLDFAST')
    watched.add(client)
    idle(client)
  } else if (watched.delete(client)) {
    client._scope = undefined
    busy(client)
  }
  hold()
}

/** It runs something: what comes now is an answer. */
function busy(client) {
  if (client._wait === 0) return
  forgetReadable(client._wait)
  client._wait = 0
}

/** It runs nothing any more. */
function idle(client) {
  if (timer !== null || client._wait !== 0 || !watched.has(client)) return
  timer = setTimeout(settle, SETTLED_MILLIS).unref()
}

function settle() {
  timer = null
  for (const client of watched) if (!client._isBusy && client._wait === 0) listen(client)
}

function listen(client) {
  // Some may have been received already, with an answer.
  client._look()
  if (!watched.has(client) || client._isBusy || client._wait !== 0) return
  client._wait = awaitReadable(client._handle, () => {
    client._wait = 0
    if (!client._isBusy) listen(client)
  })
  // The system has no room for it: then it is looked at every now and then.
  if (client._wait === 0) idle(client)
}

/** Who listens for notifications has a reason to live; a forgotten client is none. */
function hold() {
  let wanted = false
  for (const each of watched) wanted ||= each._keepsAlive()
  if (wanted === (holder !== null)) return
  if (wanted) holder = setInterval(NOOP, FOR_EVER)
  else {
    clearInterval(holder)
    holder = null
  }
}

module.exports = { update, busy, idle }
