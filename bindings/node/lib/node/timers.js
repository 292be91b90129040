'use strict'

// Timers of the process, kept from when this package is loaded: test runners put fake ones in their place, which stand still
// until the test moves them, and what the library does must go on.

const timers = require('node:timers')

/** A fake of @sinonjs/fake-timers, which jest and vitest use, has its clock on it. */
const isFake = (timer) => timer.clock !== undefined

const { setImmediate, setTimeout, setInterval, clearTimeout, clearInterval } = timers
const { nextTick: givenTick } = process
/** Jest can be told to put fakes everywhere before anything is loaded. Of process.nextTick it then has no other. */
const nextTick = isFake(givenTick) ? (call, ...values) => setImmediate(call, ...values) : (...given) => givenTick.apply(process, given)
const now = performance.now.bind(performance)

module.exports = { setImmediate, setTimeout, setInterval, clearTimeout, clearInterval, nextTick, now }
