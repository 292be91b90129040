'use strict'

// Clients that were handed out and whose owner wants to hear what comes without being asked for: notifications, and that the
// connection is lost. The library has no completion for that, so such clients are looked at every now and then, which costs
// a system call each. One timer serves all.

const NOTIFICATIONS_MILLIS = 20

const watched = new Set()
let timer = null
let keepsAlive = false

function look() {
  for (const client of watched) client._look()
}

/** Begins or ends to look at a client, whose listeners or whose owner changed. */
function update(client) {
  if (client._wantsToHear()) watched.add(client)
  else watched.delete(client)
  if (watched.size === 0) {
    if (timer !== null) clearInterval(timer)
    timer = null
    return
  }
  if (timer === null) {
    timer = setInterval(look, NOTIFICATIONS_MILLIS)
    timer.unref()
    keepsAlive = false
  }
  // Who listens for notifications has a reason to live; a forgotten client is none.
  let wanted = false
  for (const each of watched) wanted ||= each._keepsAlive()
  if (wanted === keepsAlive) return
  keepsAlive = wanted
  if (wanted) timer.ref()
  else timer.unref()
}

module.exports = { update }
