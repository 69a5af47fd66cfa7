-- no-transaction
-- One statement, since a concurrent build allows no transaction. An invalid index that an interrupted build has left
-- is dropped before this is run: "if not exists" would take it for done.
create index concurrently if not exists "user_vectors_primarySegment_idx" on public.user_vectors ("primarySegment");
