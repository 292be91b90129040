'use strict'

/**
 * Errors of the server, with every field that one can have. `only` names the fields that are compared where others differ:
 * the library counts parameters itself before anything is sent, so no line of the server's source is to be told.
 */

const text = (name, sql, more) => ({ name: `an error: ${name}`, text: sql, ...more })

module.exports = [
  text('of syntax, with its position', 'SELECT * FRM x'),
  text('of syntax, behind characters of several bytes', "SELECT 'ä€😀' FRM x"),
  text('a table that is not there', 'SELECT * FROM nowhere'),
  text('a column that is not there, with a hint', 'SELECT nam FROM conformance'),
  text('a function that is not there', 'SELECT no_such_function(1)'),
  text('division by zero', 'SELECT 1 / 0'),
  text('division by a parameter', 'SELECT 1 / $1::int', { values: [0] }),
  text('a number that does not fit', "SELECT 99999999999::int4"),
  text('a parameter that is no number', 'SELECT $1::int', { values: ['x'] }),
  text('too few parameters', 'SELECT $1::int, $2::int', { values: [1], only: ['name', 'message', 'code', 'severity'] }),
  text('too many parameters', 'SELECT $1::int', { values: [1, 2], only: ['name', 'message', 'code', 'severity'] }),
  text('a parameter of no known type', 'SELECT $1 IS NULL', { values: [{}] }),
  text('a unique constraint', "INSERT INTO conformance (id, name) VALUES (1, 'x')"),
  text('a NOT NULL constraint', 'INSERT INTO conformance (id, name) VALUES (NULL, NULL)'),
  text('a check constraint', 'INSERT INTO conformance (id, ratio) VALUES (200, -1)'),
  text('a foreign key', 'INSERT INTO conformance_child VALUES (999)'),
  text('an exclusion, of a domain', 'SELECT (-1)::positive'),
  text('an enum value that is not there', "SELECT 'angry'::mood"),
  text('raised in a function, with all fields', 'SELECT conformance_raise()'),
  text('within a function, with its own query', 'SELECT conformance_inner()'),
  text('without SQLSTATE of the standard', "DO $$ BEGIN RAISE EXCEPTION 'mine' USING ERRCODE = 'ZZ123'; END $$"),
  text('in the second of several statements', 'SELECT 1 AS a; SELECT 1 / 0; SELECT 2'),
  text('json that is none', "SELECT '{'::json"),
  text('a date that is none', "SELECT '2024-02-30'::date"),
  text('bytes that are no UTF-8', "SELECT convert_from('\\xff', 'UTF8')"),
  text('a permission', 'SELECT pg_read_file(NULL); ALTER SYSTEM SET nowhere = 1'),
  text('a transaction that is over', 'SELECT $1::int AS over', { values: [1], rollback: true, fails: ['SELECT 1 / 0'] }),
  text('a cast that is not possible', "SELECT 'x'::xml::int"),
  text('a text of a zero byte', 'SELECT $1::text', { values: ['a\0b'] }),
  text('a named statement of bad syntax', 'SELEC 1', { statement: 'conformance-bad' }),
  text('statement_timeout', 'SELECT pg_sleep(5)', { before: ['SET LOCAL statement_timeout = 20'], rollback: true }),
]
