-- no-transaction
-- One statement, since a concurrent build allows no transaction. The runner first drops an invalid index that an
-- interrupted build left: "if not exists" would accept it as built.
create index concurrently if not exists "user_vectors_primarySegment_idx" on public.user_vectors ("primarySegment");
