-- Drops what the up migration added, and only that: the table if it created it, else the columns that it added.
-- Migration 2 is reverted first and drops the index on "primarySegment"; dropping the column would drop it too.
do $migration$
declare
  removals text;
begin
  if exists (select from segmenter.provenance where object = 'table public.user_vectors' and not existed) then
    drop table if exists public.user_vectors;
  else
    select string_agg(format('drop column if exists %I', substr(object, length('column public.user_vectors.') + 1)), ', ')
      into removals
      from segmenter.provenance
     where starts_with(object, 'column public.user_vectors.') and not existed;
    if removals is not null and to_regclass('public.user_vectors') is not null then
      execute 'alter table public.user_vectors ' || removals;
    end if;
  end if;
  delete from segmenter.provenance
   where object = 'table public.user_vectors' or starts_with(object, 'column public.user_vectors.');
end
$migration$;
