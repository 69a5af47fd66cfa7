-- The states of users, the outbox of unpublished changes, and the deleted users.
--
-- Columns *_at of type bigint and revisions are Unix milliseconds.

create table segmenter.profile_states (
  user_id text collate "C" primary key,
  counter bigint not null,                     -- compare-and-set: every write changes it
  revision bigint not null default 0,          -- of the last published change; 0: none yet
  published smallint not null default 0 check (published between 0 and 2), -- 0 nothing, 1 a ranking, 2 a tombstone
  erased_at bigint,                            -- events stamped at or before it are void
  catalog_version integer not null default 0,  -- of the catalog that last scored the row; 0: never scored
  job_id uuid,                                 -- of the job whose deferred write is not published yet
  state bytea not null                         -- versioned binary
) with (
  fillfactor = 70,         -- leaves room for the next row version in the page: updates stay HOT
  toast_tuple_target = 4080 -- inline as long as two versions fit into a page
);
-- Not compressed: pglz costs more CPU than the few bytes it saves on a compact binary value are worth.
alter table segmenter.profile_states alter column state set storage external;

-- The users that a replay publishes when it ends. Other writes leave it alone and stay HOT: they do not change job_id.
create index profile_states_job_id_idx on segmenter.profile_states (job_id, user_id) where job_id is not null;

create table segmenter.outbox (
  id bigint generated always as identity primary key,
  owner uuid,                                  -- of the lease; null: none
  leased_until timestamptz not null default 'epoch',
  created_at timestamptz not null default clock_timestamp(),
  users text[],                                -- set by the triggers below and by republish: publish their present state
  body bytea,                                  -- set by folds: encoded changes
  constraint outbox_users_or_body check (num_nonnulls(users, body) = 1)
) with (
  -- A queue: nearly every row is soon a dead tuple, and the table's size is no measure of their number.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_insert_threshold = 10000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 10000,
  toast.autovacuum_vacuum_scale_factor = 0,
  toast.autovacuum_vacuum_threshold = 1000,
  toast.autovacuum_vacuum_cost_delay = 0
);
alter table segmenter.outbox alter column body set storage external;

-- No foreign key: a row outlives its user.
create table segmenter.deleted_users (
  user_id text collate "C" primary key,
  erased_at bigint,
  revision bigint not null default 0,          -- of the tombstone; 0: never published, nothing to publish
  tombstone_erased_at bigint,                  -- of the erasure that made the tombstone; null: a delete made it
  at timestamptz not null default clock_timestamp()
);

create function segmenter.next_revision(previous bigint) returns bigint
  language sql volatile
  set search_path = pg_catalog, pg_temp
  return greatest(previous + 1, floor(extract(epoch from clock_timestamp()) * 1000)::bigint);

-- Deleting a user on the platform deletes the state (foreign key). The triggers below are security definer: the AFTER
-- trigger of a cascade runs with the privileges of the role that deletes from public.users, which has none on this schema.
create function segmenter.remember_deleted_user() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $function$
begin
  insert into segmenter.deleted_users as known (user_id, erased_at, revision, tombstone_erased_at)
  values (old.user_id, old.erased_at,
          case when old.published = 1 then segmenter.next_revision(old.revision) else old.revision end,
          case when old.published = 2 then old.erased_at end)
  on conflict (user_id) do update
     set erased_at = greatest(known.erased_at, excluded.erased_at),
         tombstone_erased_at = case when excluded.revision > known.revision then excluded.tombstone_erased_at
                                    else known.tombstone_erased_at end,
         revision = greatest(known.revision, excluded.revision),
         at = excluded.at;
  if old.published = 1 then
    insert into segmenter.outbox (users) values (array[old.user_id]);
  end if;
  return null;
end
$function$;

create trigger remember_deleted_user
  after delete on segmenter.profile_states
  for each row
  when (old.published = 1 or old.revision > 0 or old.erased_at is not null)
  execute function segmenter.remember_deleted_user();

-- A user renamed on the platform: the old key becomes a deleted user, and the user's present ranking is published under the
-- new key at a revision above every published revision of both keys. The trigger is limited to user_id, so that no other
-- update fires it.
create function segmenter.rename_user() returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $function$
declare
  published_of_new_key bigint;
  to_publish text[] := '{}';
begin
  new.counter := old.counter + 1;

  if old.published = 1 or old.revision > 0 or old.erased_at is not null then
    insert into segmenter.deleted_users as known (user_id, erased_at, revision, tombstone_erased_at)
    values (old.user_id, old.erased_at,
            case when old.published = 1 then segmenter.next_revision(old.revision) else old.revision end,
            case when old.published = 2 then old.erased_at end)
    on conflict (user_id) do update
       set erased_at = greatest(known.erased_at, excluded.erased_at),
           tombstone_erased_at = case when excluded.revision > known.revision then excluded.tombstone_erased_at
                                      else known.tombstone_erased_at end,
           revision = greatest(known.revision, excluded.revision),
           at = excluded.at;
  end if;
  if old.published = 1 then
    to_publish := array[old.user_id];
    new.revision := segmenter.next_revision(old.revision);
  end if;

  select known.revision into published_of_new_key from segmenter.deleted_users as known where known.user_id = new.user_id;
  if published_of_new_key > 0 and published_of_new_key >= new.revision then
    new.revision := published_of_new_key + 1;
  end if;
  if new.revision > 0 then
    -- No ranking was published of the old key, and the new key has a published revision: the new key is a tombstone.
    if new.published = 0 then
      new.published := 2;
    end if;
    to_publish := to_publish || new.user_id;
  end if;

  if to_publish <> '{}' then
    insert into segmenter.outbox (users) values (to_publish);
  end if;
  return new;
end
$function$;

create trigger rename_user
  before update of user_id on segmenter.profile_states
  for each row
  when (old.user_id is distinct from new.user_id)
  execute function segmenter.rename_user();

revoke all on function segmenter.next_revision(bigint), segmenter.remember_deleted_user(), segmenter.rename_user()
  from public;

-- Last, since it locks public.users until the end of the transaction; the table is empty, so no row is checked.
do $migration$
begin
  if to_regclass('public.users') is not null then
    alter table segmenter.profile_states
      add constraint profile_states_user_id_fkey foreign key (user_id) references public.users (id)
      on delete cascade on update cascade;
  end if;
end
$migration$;
