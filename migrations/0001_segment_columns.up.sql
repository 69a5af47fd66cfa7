-- The four segment columns of public.user_vectors, which belongs to the platform.
--
-- There are three cases: a database without the table (it is created as the platform's own migrations create it), one with
-- the table but without some of the columns (they are added), and one with all of them (nothing in public changes and no
-- lock on the table is taken). Existing objects are recorded, so that the down migration drops only what this one added.
-- The runner checks beforehand whether this may run beside Prisma's migrations.
do $migration$
declare
  wanted record;
  additions text[] := '{}';
  present boolean;
begin
  if to_regclass('public.user_vectors') is null then
    create table public.user_vectors (
      "id" text not null,
      "userId" text not null,
      "vector" jsonb not null,
      "version" integer not null default 1,
      "source" text not null default 'onboarding',
      "usageCount" integer not null default 0,
      "lastUsedAt" timestamp(3),
      "createdAt" timestamp(3) not null default current_timestamp,
      "updatedAt" timestamp(3) not null,
      constraint "user_vectors_pkey" primary key ("id")
    );
    create unique index "user_vectors_userId_key" on public.user_vectors ("userId");
    create index "user_vectors_userId_idx" on public.user_vectors ("userId");
    create index "user_vectors_updatedAt_idx" on public.user_vectors ("updatedAt");
    if to_regclass('public.users') is not null then
      alter table public.user_vectors
        add constraint "user_vectors_userId_fkey" foreign key ("userId") references public.users (id)
        on delete cascade on update cascade;
    end if;
    insert into segmenter.provenance (object, existed) values ('table public.user_vectors', false);
  else
    insert into segmenter.provenance (object, existed) values ('table public.user_vectors', true);
  end if;

  for wanted in
    select *
      from (values (1, 'segments', 'jsonb'),
                   (2, 'primarySegment', 'text'),
                   (3, 'segmentConfidence', 'double precision'),
                   (4, 'lastSegmentUpdate', 'timestamp(3)')) as column_of_ours (place, name, type)
     order by place
  loop
    present := exists (
      select from pg_attribute
       where attrelid = to_regclass('public.user_vectors') and attname = wanted.name and not attisdropped);
    insert into segmenter.provenance (object, existed) values ('column public.user_vectors.' || wanted.name, present);
    if not present then
      additions := additions || format('add column %I %s', wanted.name, wanted.type);
    end if;
  end loop;

  if additions <> '{}' then
    -- Nullable and without a default: the catalog changes, the rows are not rewritten.
    execute 'alter table public.user_vectors ' || array_to_string(additions, ', ');
  end if;
end
$migration$;
