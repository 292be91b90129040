import { answer, query } from '../../../lib/db'

export const dynamic = 'force-dynamic'

export function GET() {
  return answer(() => query('select id, name, users, active from client_report() order by id'))
}

export function POST(request) {
  return answer(async () => {
    const { name } = await request.json()
    const [client] = await query('insert into clients (name) values ($1) returning id, name, users', [name])
    return client
  }, 201)
}
