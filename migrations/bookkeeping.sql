-- The runner's own tables, in schema segmenter. Created in one transaction before the first migration, and dropped with the
-- last. The table of applied migrations beside these has sqlx's layout.

-- Objects that existed before the migrations: a revert leaves them.
create table if not exists segmenter.provenance (
  object text primary key,
  existed boolean not null,
  at timestamptz not null default clock_timestamp()
);

-- Acts of operators, kept until the last migration is reverted. A role with the right to insert only host, operator, act and
-- arguments cannot write another time or another role.
create table if not exists segmenter.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  role text not null default session_user,
  host text not null,                          -- of the process
  operator text,                               -- the name that the operator gave
  act text not null,
  arguments jsonb not null                     -- without personal data
);

-- For each applied migration, the newest migration that a binary must know to work with it. A binary that does not know
-- some of the applied migrations still works if it knows the highest one listed here.
create table if not exists segmenter.schema_compatibility (
  version bigint primary key,
  min_app_schema bigint not null
);
