-- Whether the segments in the database are what they should be. Reads only; safe at any time. `segmenter verify` gives the
-- same numbers and looks at more; this is for where there is only psql:
--   psql "$DATABASE_URL" -f docs/validation.sql

-- The four columns of public.user_vectors; four rows are right.
select column_name, data_type
from information_schema.columns
where table_schema = 'public' and table_name = 'user_vectors'
  and column_name in ('segments', 'primarySegment', 'segmentConfidence', 'lastSegmentUpdate')
order by column_name;

-- How many users with a vector have a segment. The percentage is null while the table is empty.
select count(*) as total,
       count("primarySegment") as with_segments,
       round(count("primarySegment")::numeric / nullif(count(*), 0) * 100, 2) as percentage
from public.user_vectors;

-- The distribution of primary segments, the most frequent first.
select "primarySegment",
       count(*) as count,
       round(avg("segmentConfidence")::numeric, 2) as avg_confidence
from public.user_vectors
where "primarySegment" is not null
group by "primarySegment"
order by count desc, "primarySegment";

-- Rows that contradict themselves: primary segment and confidence repeat the first of the segments. None is right.
select id, "primarySegment", "segmentConfidence"
from public.user_vectors
where "primarySegment" is distinct from segments -> 0 ->> 'segment'
   or "segmentConfidence" is distinct from
      case jsonb_typeof(segments -> 0 -> 'score') when 'number' then (segments -> 0 ->> 'score')::double precision end
   or (segments is null) <> ("lastSegmentUpdate" is null);

-- Changes that are stored and not published yet, and how long the oldest has waited.
select count(*) as rows, clock_timestamp() - min(created_at) as oldest
from segmenter.outbox;
