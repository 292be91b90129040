import holdfast from './index.js'

export const { Pool, Client, Query, Connection, types, DatabaseError, HoldfastError, Result, TypeOverrides, escapeIdentifier, escapeLiteral, sql, utils, defaults } = holdfast

export default holdfast
