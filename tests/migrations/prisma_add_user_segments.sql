-- The platform's own migration, IA-002.1 add_user_segments.
ALTER TABLE "user_vectors"
ADD COLUMN "segments" JSONB,
ADD COLUMN "primarySegment" TEXT,
ADD COLUMN "segmentConfidence" DOUBLE PRECISION,
ADD COLUMN "lastSegmentUpdate" TIMESTAMP(3);

CREATE INDEX "user_vectors_primarySegment_idx" ON "user_vectors"("primarySegment");
