-- The rights of a role that runs `segmenter serve` and nothing else (for jobs see grants_jobs.sql). Run it as the owner of
-- the tables, after `segmenter migrate run`, with the role's own name in the place of segmenter_service:
--   create role segmenter_service login password '…';
--   psql "$DATABASE_URL" -f docs/grants.sql
-- The role needs no right to create anything: migrate as the owner, and leave SEGMENTER_DATABASE_MIGRATE off.
-- Where the database has no public.users, leave out the statement that names it.

-- Whether a user exists. UPDATE on one column, whichever, is what `for key share` asks for; nothing is ever updated.
grant select (id), update ("updatedAt") on public.users to segmenter_service;

-- Only the columns that are ours, and what a new row needs. `version`, `usageCount` and `lastUsedAt` stay out of reach.
grant select ("userId", vector, source, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "updatedAt"),
      insert (id, "userId", vector, source, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "createdAt", "updatedAt"),
      update (vector, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "updatedAt"),
      delete
   on public.user_vectors to segmenter_service;

grant usage on schema segmenter to segmenter_service;

-- At the start it looks whether the schema is one that it knows.
grant select on segmenter._sqlx_migrations to segmenter_service;
grant select on segmenter.schema_compatibility to segmenter_service;

-- States are never deleted by the service: they go with their user.
grant select, insert, update on segmenter.profile_states to segmenter_service;
grant select, insert, update on segmenter.deleted_users to segmenter_service;
grant select, insert, update, delete on segmenter.outbox to segmenter_service;

-- Only so that the page at / shows the jobs; without it the page says that it cannot:
--   grant select on segmenter.jobs, segmenter.job_parts to segmenter_service;
