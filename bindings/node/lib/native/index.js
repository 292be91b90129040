'use strict'

// The addon, and the dispatcher of its completions, for the modules of this registry.

const { PackBuffer } = require('../decode')
const { startDispatcher } = require('./dispatcher')
const { toError } = require('../errors')
const { loadAddon } = require('./loader')

/** As a handle: there is none. */
const NONE = -1

/** Where other registries of this environment find the dispatcher. With the version: what it hands on may change. */
const PLACE = Symbol.for(`pg-holdfast.dispatcher ${require('../../package.json').version}`)

const addon = loadAddon()
const { arena, take, submitted, ...dispatcher } = (addon[PLACE] ??= startDispatcher(addon))
const arenaPacks = new PackBuffer(arena)

/** Bytes that a request was settled with, as packs: those of the arena have views already. */
function packsOf(bytes) {
  return bytes === arena ? arenaPacks : bytes
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
  if (answer !== null && typeof answer === 'object' && 'retryable' in answer) throw Object.assign(toError(answer), answer.option !== undefined && { option: answer.option })
  return answer
}

module.exports = { addon, NONE, take, submitted, packsOf, promise, now, ...dispatcher }
