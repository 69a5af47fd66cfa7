-- The only statement of its migration: Prisma sends a file as one query, and a concurrent build allows no transaction.
-- If it is interrupted, drop the invalid index, mark the migration as rolled back and deploy again.

-- CreateIndex
CREATE INDEX CONCURRENTLY "user_vectors_primarySegment_idx" ON "user_vectors"("primarySegment");
