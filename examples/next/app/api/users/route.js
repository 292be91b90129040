import { answer, query, transaction } from '../../../lib/db'

export const dynamic = 'force-dynamic'

export function GET(request) {
  const client = new URL(request.url).searchParams.get('client')
  return answer(() => query('select id, email, active from users where client = $1 order by id desc limit 20', [client]))
}

// Adds the user and counts it, or neither.
export function POST(request) {
  return answer(async () => {
    const { client, email } = await request.json()
    return transaction(async (connection) => {
      const insert = 'insert into users (client, email) values ($1, $2) returning id, email, active'
      const { rows } = await connection.query(insert, [client, email])
      await connection.query('update clients set users = users + 1 where id = $1', [client])
      return rows[0]
    })
  }, 201)
}
