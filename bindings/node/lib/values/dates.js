'use strict'

const pad = (number, length) => String(number).padStart(length, '0')

/** A year as the server takes it: there is no year 0, and years before 1 are counted backwards. */
function yearText(year) {
  return pad(year < 1 ? Math.abs(year) + 1 : year, 4)
}

/** A Date in the zone of this process, with the offset from UTC: "2024-05-01T12:00:00.000+02:00". */
function localText(date) {
  const offset = -date.getTimezoneOffset()
  const minutes = Math.abs(offset)
  const year = date.getFullYear()
  const day = `${yearText(year)}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)}`
  const time = `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}.${pad(date.getMilliseconds(), 3)}`
  const zone = `${offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2)}:${pad(minutes % 60, 2)}`
  return `${day}T${time}${zone}${year < 1 ? ' BC' : ''}`
}

/** A Date in UTC, for `defaults.parseInputDatesAsUTC`. */
function utcText(date) {
  const year = date.getUTCFullYear()
  const day = `${yearText(year)}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`
  const time = `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}.${pad(date.getUTCMilliseconds(), 3)}`
  return `${day}T${time}+00:00${year < 1 ? ' BC' : ''}`
}

module.exports = { localText, utcText }
