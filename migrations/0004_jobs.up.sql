-- Jobs: specification, owner and lease, phase and positions.

create table segmenter.jobs (
  id uuid primary key,
  kind text not null,
  spec jsonb not null,                         -- the request; never changes
  throttle jsonb not null default '{}',        -- its limits; may change while it runs
  requested text not null default 'run',
  phase text not null default 'work',          -- processing, then publishing its changes, then ended
  owner uuid,                                  -- of the lease; null: none
  owner_name text,                             -- host and process, for display
  earlier_owners uuid[] not null default '{}', -- their unpublished changes may still be in the outbox
  leased_until timestamptz not null default 'epoch',
  report jsonb not null default '{}',          -- the owner's last report: speed, and its limit
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  constraint jobs_kind_check check (kind in ('replay', 'backfill', 'recompute', 'republish', 'redrive')),
  constraint jobs_requested_check check (requested in ('run', 'pause', 'cancel')),
  constraint jobs_phase_check check (phase in ('work', 'publish', 'done', 'cancelled'))
);

-- A partition of a topic, or all users, in their order. The transaction of a batch writes the position after it, with the
-- job's row locked against a new owner.
create table segmenter.job_parts (
  job_id uuid not null references segmenter.jobs (id) on delete cascade,
  part text not null,
  place integer not null,                      -- parts are processed in this order
  position text not null,                      -- the next offset, or the last user processed
  until text,                                  -- the exclusive end offset
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
