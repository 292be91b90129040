'use strict'

// The addon, and what runs between it and the rest: requests are slots in an array, whose index is the tag that the library
// hands back, so that a request costs neither a reference nor a closure. Completions come in batches.

const path = require('node:path')
const { PackBuffer } = require('./decode')
const { platformName, packageName } = require('./platform')
const { toError } = require('./errors')

// Measured: with more, 64 queries at a time gain nothing, and the event loop is held for longer.
const MOST_IN_A_BATCH = 32
const WORDS = 6
const ARENA = 1 << 20

/** Numbers of waits are handed back as signed words. */
const MOST_WAITS = 2 ** 31 - 1

/** As a handle: there is none. */
const NONE = -1
/** As the fourth word of a completion: what its payload is. src/runtime.h has the same list. */
const PAYLOAD = { none: 0, packInArena: 1, packOfItsOwn: 2, packs: 3, error: 4, connection: 5, value: 6 }
/** As the second word: what comes from elsewhere than the queue. */
const HAPPENING = { done: 32, event: 33, log: 34, body: 35, readable: 36 }

function load() {
  const name = platformName()
  const places = [process.env.HOLDFAST_NODE_ADDON, packageName(name), path.join(__dirname, '..', 'build', 'holdfast.node')]
  const failures = []
  for (const place of places) {
    if (!place) continue
    try {
      return require(place)
    } catch (error) {
      failures.push(`${place}: ${error.message.split('\n')[0]}`)
    }
  }
  throw new Error(`pg-holdfast has no addon for ${name}: run \`npm rebuild pg-holdfast\` (needs cargo and a C++ compiler).\n  ${failures.join('\n  ')}`)
}

/** One environment's: the addon hands completions to whoever attached last, so that is done once. */
function start(addon) {
  /** Requests under way, by tag. A request has `settle(error, payload)`; its payload depends on what was asked for. */
  const slots = [null]
  const free = []
  /** Pools by the number under which the library tells of them. Weak: being told of is no reason to live. */
  const listeners = new Map()
  let listenerCount = 0
  /** What is told of sockets that become readable, by number. */
  const waits = new Map()
  let waitNumber = 0

  const words = new Int32Array(MOST_IN_A_BATCH * WORDS)
  const arena = Buffer.allocUnsafeSlow(ARENA)
  const arenaPacks = new PackBuffer(arena)

  /** Whether the addon will be told that the event loop went round. */
  let armed = false

  function onTurn() {
    armed = false
    addon.turned()
  }

  function onBatch(count, payloads) {
    if (!armed) {
      armed = true
      setImmediate(onTurn)
    }
    for (let i = 0; i < count; i++) {
      const at = i * WORDS
      const tag = words[at]
      const kind = words[at + 1]
      if (kind >= HAPPENING.event) {
        happened(tag, kind, payloads[i])
        continue
      }
      const request = slots[tag]
      slots[tag] = null
      free.push(tag)
      // Nothing that a request's owner does may keep the others from their completions.
      try {
        switch (words[at + 3]) {
          case PAYLOAD.packInArena:
            request.settle(null, arenaPacks, words[at + 4])
            break
          case PAYLOAD.error:
            request.settle(payloads[i])
            break
          case PAYLOAD.connection:
            request.settle(null, words[at + 4], words[at + 5] >>> 0)
            break
          case PAYLOAD.packOfItsOwn:
          case PAYLOAD.packs:
            request.settle(null, payloads[i], 0)
            break
          default:
            if (kind === HAPPENING.done && words[at + 2] !== 0) request.settle(payloads[i])
            else request.settle(null, payloads[i], 0)
        }
      } catch (error) {
        process.nextTick(() => {
          throw error
        })
      }
    }
  }

  function happened(tag, kind, payload) {
    try {
      if (kind === HAPPENING.body) {
        slots[tag].body(payload)
        return
      }
      if (kind === HAPPENING.readable) {
        const told = waits.get(tag)
        waits.delete(tag)
        told?.()
        return
      }
      const pool = listeners.get(tag)?.deref()
      if (pool === undefined) return
      if (kind === HAPPENING.event) pool._onEvent(payload)
      else pool._onLog(payload)
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }

  addon.attach(onBatch, words, arena)

  /** A tag for a request, to be given with it. */
  function take(request) {
    if (free.length > 0) {
      const tag = free.pop()
      slots[tag] = request
      return tag
    }
    return slots.push(request) - 1
  }

  /** What a submission returned: the number of the request, or what is wrong, which settles it in the next turn. */
  function submitted(tag, answer) {
    if (typeof answer === 'number' || answer === undefined) return answer
    const request = slots[tag]
    process.nextTick(() => {
      slots[tag] = null
      free.push(tag)
      request.settle(answer)
    })
    return undefined
  }

  /** Runs a call of the addon that completes later: `call(tag)`. */
  function promise(call) {
    return new Promise((resolve, reject) => {
      const tag = take({ settle: (failure, value) => (failure ? reject(toError(failure)) : resolve(value)) })
      submitted(tag, call(tag))
    })
  }

  /** What a call returned that answers at once; an error in its place is thrown. */
  function now(answer) {
    if (answer !== null && typeof answer === 'object' && 'retryable' in answer) throw toError(answer)
    return answer
  }

  /** Has a pool told of its events. Returns the number to open it with. */
  function listen(pool) {
    listenerCount += 1
    listeners.set(listenerCount, new WeakRef(pool))
    return listenerCount
  }

  function deafen(tag) {
    listeners.delete(tag)
  }

  /** Calls `told` once when a connection's socket is readable. Returns a number to forget it by; 0 if it cannot be waited for. */
  function awaitReadable(connection, told) {
    waitNumber = (waitNumber % MOST_WAITS) + 1
    if (!addon.awaitReadable(connection, waitNumber)) return 0
    waits.set(waitNumber, told)
    return waitNumber
  }

  function forgetReadable(number) {
    if (waits.delete(number)) addon.forgetReadable(number)
  }

  return { awaitReadable, forgetReadable, addon, NONE, take, submitted, promise, now, listen, deafen }
}

// A module that is loaded again, as development servers do it, may find the addon in use by the pools of before.
const PLACE = Symbol.for('pg-holdfast.native')
const addon = load()

module.exports = addon[PLACE] ??= start(addon)
