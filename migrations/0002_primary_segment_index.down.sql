-- no-transaction
-- Run only where the index was not there before the up migration. It goes before its column does, since dropping the
-- column first takes the index with it and a plain DROP INDEX then fails.
drop index concurrently if exists public."user_vectors_primarySegment_idx";
