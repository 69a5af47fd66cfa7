-- no-transaction
-- Run only where the index did not exist before the up migration. The index is dropped before its column: dropping the
-- column first drops the index too, and a plain DROP INDEX then fails.
drop index concurrently if exists public."user_vectors_primarySegment_idx";
