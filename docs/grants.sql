-- The privileges of a role that runs `segmenter serve` and nothing else (for jobs see grants_jobs.sql). Run it as the owner
-- of the tables, after `segmenter migrate run`, with segmenter_service replaced by the role's own name:
--   create role segmenter_service login password '…';
--   psql "$DATABASE_URL" -f docs/grants.sql
-- The role needs no privilege to create objects: migrate as the owner, and leave SEGMENTER_DATABASE_MIGRATE off.
-- Where the database has no public.users, leave out the statement on it.

-- Checks whether a user exists. `for key share` requires UPDATE on some column; no column is ever updated.
grant select (id), update ("updatedAt") on public.users to segmenter_service;

-- Only our columns, and those that a new row needs. `version`, `usageCount` and `lastUsedAt` stay out of reach.
grant select ("userId", vector, source, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "updatedAt"),
      insert (id, "userId", vector, source, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "createdAt", "updatedAt"),
      update (vector, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "updatedAt"),
      delete
   on public.user_vectors to segmenter_service;

grant usage on schema segmenter to segmenter_service;

-- Read at the start, to check the version of the schema.
grant select on segmenter._sqlx_migrations to segmenter_service;
grant select on segmenter.schema_compatibility to segmenter_service;

-- The service never deletes a state: it is deleted with its user (foreign key).
grant select, insert, update on segmenter.profile_states to segmenter_service;
grant select, insert, update on segmenter.deleted_users to segmenter_service;
grant select, insert, update, delete on segmenter.outbox to segmenter_service;

-- Its positions: one row for each group and partition, written once a second; unused rows are deleted.
grant select, insert, update, delete on segmenter.positions to segmenter_service;

-- Jobs are shown on the page at / and in the metrics; those that ended longer than jobs.retention ago are deleted, their parts
-- and failures with them (foreign keys).
grant select, delete on segmenter.jobs to segmenter_service;
grant select on segmenter.job_parts to segmenter_service;
grant select, delete on segmenter.job_users to segmenter_service;

-- `user erase` and `positions forget` are recorded. Time and role are the server's: the role cannot write them.
grant insert (act, host, operator, arguments) on segmenter.audit to segmenter_service;
