'use strict'

// What runs between the addon and the rest, once for each environment of Node: requests are slots in an array, whose index is
// the tag that the library hands back, so that a request costs neither a reference nor a closure. Completions come in batches.
//
// Modules may be loaded several times in one environment (jest and vitest give each test file modules of its own, development
// servers load them again), and all of them use the one dispatcher that there is for the addon. So it knows no class of any
// module: whatever it hands on is plain data or the bytes of a pack.

const { nextTick, setImmediate } = require('../node/timers')

// Measured: with more, 64 queries at a time gain nothing, and the event loop is held for longer.
const MOST_IN_A_BATCH = 32
const WORDS = 6
const ARENA = 1 << 20

/** Numbers of waits are handed back as signed words. */
const MOST_WAITS = 2 ** 31 - 1

/** As the fourth word of a completion: what its payload is. src/runtime/runtime.h has the same list. */
const PAYLOAD = { none: 0, packInArena: 1, packOfItsOwn: 2, packs: 3, error: 4, connection: 5, value: 6 }
/** As the second word: what comes from elsewhere than the queue. */
const MESSAGE = { done: 32, event: 33, log: 34, body: 35, readable: 36, password: 37 }

/** The addon hands completions to the one that attached last, so this is done once. */
function startDispatcher(addon) {
  /**
   * Requests under way, by tag. A request has `settle(failure, payload, number)`: what the addon says of a failure, or a
   * payload that depends on what was asked for. The bytes of a pack in the arena are valid until it returns.
   */
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
      if (kind >= MESSAGE.event) {
        message(tag, kind, payloads[i])
        continue
      }
      const request = slots[tag]
      slots[tag] = null
      free.push(tag)
      // Nothing that a request's owner does may keep the others from their completions.
      try {
        switch (words[at + 3]) {
          case PAYLOAD.packInArena:
            request.settle(null, arena, words[at + 4])
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
            if (kind === MESSAGE.done && words[at + 2] !== 0) request.settle(payloads[i])
            else request.settle(null, payloads[i], 0)
        }
      } catch (error) {
        nextTick(() => {
          throw error
        })
      }
    }
  }

  function message(tag, kind, payload) {
    try {
      if (kind === MESSAGE.body) {
        slots[tag].body(payload)
        return
      }
      if (kind === MESSAGE.readable) {
        const told = waits.get(tag)
        waits.delete(tag)
        told?.()
        return
      }
      const pool = listeners.get(tag)?.deref()
      if (kind === MESSAGE.password) {
        if (pool === undefined) addon.answerPassword(payload.asking, undefined, 'the pool has ended')
        else pool._onPassword(payload)
        return
      }
      if (pool === undefined) return
      if (kind === MESSAGE.event) pool._onEvent(payload)
      else pool._onLog(payload)
    } catch (error) {
      nextTick(() => {
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
    nextTick(() => {
      slots[tag] = null
      free.push(tag)
      request.settle(answer)
    })
    return undefined
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

  return { arena, awaitReadable, forgetReadable, take, submitted, listen, deafen }
}

module.exports = { startDispatcher }
