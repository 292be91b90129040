'use strict'

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { test } = require('node:test')
const { dateOfText } = require('../../lib/decode/date-text')

test('dates in text are what postgres-date makes of them, in every zone', () => {
  const script = `
    const assert = require('node:assert/strict')
    const parseDate = require(${JSON.stringify(require.resolve('postgres-date', { paths: [require.resolve('pg-types')] }))})
    const { dateOfText } = require(${JSON.stringify(require.resolve('../../lib/decode/date-text'))})
    let state = 1
    const random = (n) => (state = (state * 48271) % 2147483647) % n
    const pad = (n, size = 2) => String(n).padStart(size, '0')
    const OFFSETS = ['', '+00', '-03', '+05:30', '-11:59', '+00:19:32', '-12:34:56', '+14']
    let read = 0
    for (let i = 0; i < 40000; i++) {
      const day = pad(100 + random(9900), 4) + '-' + pad(1 + random(12)) + '-' + pad(1 + random(28))
      const fraction = ['', '.' + pad(random(10 ** (1 + (i % 6))), 1 + (i % 6))][random(2)]
      const text = i % 9 === 0 ? day : day + ' ' + pad(random(24)) + ':' + pad(random(60)) + ':' + pad(random(60)) + fraction + OFFSETS[random(OFFSETS.length)]
      const date = dateOfText(text)
      assert.notEqual(date, undefined, text)
      assert.equal(date.getTime(), parseDate(text).getTime(), text)
    }
    // What is broken somewhere is either left to postgres-date or read as it does.
    for (let i = 0; i < 40000; i++) {
      const text = '2024-05-01 12:34:56.789+02:30'.split('')
      for (let n = random(3); n >= 0; n--) text[random(text.length)] = ' :-+.0123456789Zx'[random(17)]
      const broken = text.join('').slice(0, 1 + random(text.length))
      const date = dateOfText(broken)
      if (date === undefined) continue
      read += 1
      assert.equal(date.getTime(), parseDate(broken)?.getTime(), JSON.stringify(broken))
    }
    assert.ok(read > 100, read + ' were read')`
  for (const TZ of ['UTC', 'Europe/Berlin', 'America/St_Johns']) {
    execFileSync(process.execPath, ['-e', script], { env: { ...process.env, TZ }, stdio: ['ignore', 'ignore', 'inherit'] })
  }
})

test('what is unusual is left to postgres-date', () => {
  for (const text of ['infinity', '-infinity', '0044-03-15 BC', '0044-03-15 01:02:03 BC', '12345-01-01', '0099-01-01', '05/01/2024', '', '2024-05-01 12:00:00 UTC']) {
    assert.equal(dateOfText(text), undefined, text)
  }
})
