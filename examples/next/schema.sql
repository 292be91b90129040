create table clients (id serial primary key, name text not null unique, users int not null default 0);
create table users (
  id serial primary key, client int not null references clients, email text not null unique, active boolean not null default true
);
create index on users (client);

-- Stands for the slow question that every such application asks somewhere: it holds a connection for 100 ms.
create function client_report() returns table (id int, name text, users int, active bigint) language sql volatile as $$
  select c.id, c.name, c.users, (select count(*) from users u where u.client = c.id and u.active) from clients c, pg_sleep(0.1)
$$;

insert into clients (name) select 'client ' || n from generate_series(1, 40) n;
