-- The segment columns: nullable and without a default, so no row is rewritten.
-- It waits at most 500 ms for the lock, since statements of others queue behind it. If it fails with 55P03 (lock not
-- available), mark it as rolled back (npx prisma migrate resolve --rolled-back, with this folder's name) and deploy again.
SET LOCAL lock_timeout = '500ms';

-- AlterTable
ALTER TABLE "user_vectors"
ADD COLUMN "segments" JSONB,
ADD COLUMN "primarySegment" TEXT,
ADD COLUMN "segmentConfidence" DOUBLE PRECISION,
ADD COLUMN "lastSegmentUpdate" TIMESTAMP(3);
