import holdfast from './index.js'

export const { Pool, Client, types, DatabaseError, HoldfastError, Result, TypeOverrides, escapeIdentifier, escapeLiteral, defaults } = holdfast

export default holdfast
