-- What a role needs besides grants.sql to run jobs (replay, backfill, recompute, republish), or to tell them what to do:
--   psql "$DATABASE_URL" -f docs/grants_jobs.sql
grant select, insert, update on segmenter.jobs to segmenter_service;
grant select, insert, update on segmenter.job_parts to segmenter_service;
grant select, insert on segmenter.job_users to segmenter_service;
grant select, insert, update on segmenter.job_failures to segmenter_service;
