'use strict'

const listening = require('./listen')

/**
 * The turns of a session's readers of large results: the first has the session to itself. Behind each are the queries that wait
 * for it.
 */
class ReadingTurns {
  /** @param {import('.').Client} client */
  constructor(client) {
    this._client = client
    this._claims = []
  }

  get isTaken() {
    return this._claims.length > 0
  }

  /** Whether the query has to wait for a reader, behind which it is put. */
  postpone(query) {
    if (this._claims.length === 0) return false
    this._claims.at(-1).behind.push(query)
    return true
  }

  /**
   * The session for one reader alone, once what was asked for before is done: `begins` then. Queries that are asked for
   * meanwhile are submitted after `end()`, in their order.
   */
  claim(reader) {
    const client = this._client
    listening.busy(client)
    let begin
    const begins = new Promise((resolve) => {
      begin = () => client._ready().then(resolve)
    })
    const claim = { reader, behind: [], begin }
    if (this._claims.push(claim) === 1) begin()
    return { begins, end: () => this._end(claim) }
  }

  _end(claim) {
    const at = this._claims.indexOf(claim)
    this._claims.splice(at, 1)
    if (at > 0) {
      // It never had its turn, so what waits for it waits for the one before it.
      this._claims[at - 1].behind.push(...claim.behind)
      return
    }
    claim.behind.forEach((query) => this._client._queue(query))
    this._claims[0]?.begin()
    listening.idle(this._client)
  }

  /** Ends them all. */
  finish() {
    for (const { reader } of [...this._claims]) reader.finish()
  }
}

module.exports = { ReadingTurns }
