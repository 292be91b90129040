import { query } from '../lib/db'

export const dynamic = 'force-dynamic'

export default async function Page() {
  const clients = await query('select id, name, users from clients order by id')
  return (
    <ul>
      {clients.map(({ id, name, users }) => (
        <li key={id}>
          {name}: {users} users
        </li>
      ))}
    </ul>
  )
}
