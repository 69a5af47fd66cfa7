-- The platform's tables as Prisma's migrations leave them before IA-002.1 add_user_segments.
CREATE TABLE "users" (
    "id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "onboardingCompleted" BOOLEAN NOT NULL DEFAULT false,
    "onboardingCompletedAt" TIMESTAMP(3),

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "user_vectors" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "vector" JSONB NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "source" TEXT NOT NULL DEFAULT 'onboarding',
    "usageCount" INTEGER NOT NULL DEFAULT 0,
    "lastUsedAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "user_vectors_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "recommendations" (
    "id" TEXT NOT NULL,
    "userVectorId" TEXT,

    CONSTRAINT "recommendations_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "user_vectors_userId_key" ON "user_vectors"("userId");
CREATE INDEX "user_vectors_userId_idx" ON "user_vectors"("userId");
CREATE INDEX "user_vectors_updatedAt_idx" ON "user_vectors"("updatedAt");
ALTER TABLE "user_vectors" ADD CONSTRAINT "user_vectors_userId_fkey" FOREIGN KEY ("userId") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "recommendations" ADD CONSTRAINT "recommendations_userVectorId_fkey" FOREIGN KEY ("userVectorId") REFERENCES "user_vectors"("id") ON DELETE SET NULL ON UPDATE CASCADE;

INSERT INTO "users" ("id", "email") VALUES ('u1', 'u1@example.org'), ('u2', 'u2@example.org');
INSERT INTO "user_vectors" ("id", "userId", "vector", "updatedAt") VALUES ('v1', 'u1', '[0.5]', now()), ('v2', 'u2', '[0.25]', now());
