-- Positions: how far each group has applied each input partition. Written once a second by the process that reads the
-- partition; the rows of a topic are created when the group first starts it.

create table segmenter.positions (
  group_id text collate "C" not null,
  topic_id uuid not null,
  partition integer not null check (partition >= 0),
  next_offset bigint check (next_offset >= 0), -- every record before it is applied; null: the partition was never started
  history bigint not null default 0,           -- start of the server that the position was raised on, Unix time in µs; 0: the
                                               -- topic may be ahead of the database
  written_at timestamptz not null default clock_timestamp(),
  primary key (group_id, topic_id, partition)
) with (
  fillfactor = 20,         -- a row is written every second; the update stays HOT
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);
