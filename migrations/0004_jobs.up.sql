-- Replays, backfills and the like: what was asked for, who is at it, and how far it has come.

create table segmenter.jobs (
  id uuid primary key,
  kind text not null,
  spec jsonb not null,                         -- what was asked for; never changes
  throttle jsonb not null default '{}',        -- its limits; may change while it runs
  requested text not null default 'run',
  phase text not null default 'work',          -- working, then publishing what it changed, then ended
  owner uuid,                                  -- of the lease; null: nobody's
  owner_name text,                             -- host and process, for people
  leased_until timestamptz not null default 'epoch',
  report jsonb not null default '{}',          -- the last report of its owner: speed, and what limits it
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  constraint jobs_kind_check check (kind in ('replay', 'backfill', 'recompute', 'republish')),
  constraint jobs_requested_check check (requested in ('run', 'pause', 'cancel')),
  constraint jobs_phase_check check (phase in ('work', 'publish', 'done', 'cancelled'))
);

-- A partition of a topic, or all users, in their order. The position is written in the transaction of the batch before it,
-- while the job's row is locked against a new owner.
create table segmenter.job_parts (
  job_id uuid not null references segmenter.jobs (id) on delete cascade,
  part text not null,
  place integer not null,                      -- parts are worked through in this order
  position text not null,                      -- the next offset, or the user after whom to go on
  until text,                                  -- the offset before which it ends
  done boolean not null default false,
  counts jsonb not null default '{}',
  primary key (job_id, part)
);

-- The users of a job that was given a list of them.
create table segmenter.job_users (
  job_id uuid not null references segmenter.jobs (id) on delete cascade,
  user_id text collate "C" not null,
  primary key (job_id, user_id)
);

-- Users whose data broke a rule, with field and rule; never a value.
create table segmenter.job_failures (
  job_id uuid not null references segmenter.jobs (id) on delete cascade,
  user_id text collate "C" not null,
  why text not null,
  primary key (job_id, user_id)
);
