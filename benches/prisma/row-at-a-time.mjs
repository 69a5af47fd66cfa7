// Segments a bounded number of users as the platform's own script does: a page of profiles, then for each user one update through
// Prisma, awaited. The computation costs next to nothing, so that the way of writing is measured and not an engine.
//
//   DATABASE_URL=... node row-at-a-time.mjs USERS
//
// Prints {"users": …, "seconds": …}, without the start of the process and its connection.
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "@prisma/client";

const PAGE = 500;
const wanted = Number(process.argv[2]);
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) });

function segmentsOf(profile, assignedAt) {
  const first = profile.travelGroupTypes.includes("FAMILY") ? "FAMILY_EXPLORER" : "CULTURAL_ENTHUSIAST";
  const score = Math.min(1, 0.5 + 0.1 * profile.travelTypes.length);
  const reasons = ["The budget fits this kind of travel", "The wanted comfort fits"];
  return [
    { segment: first, score, reasons, assignedAt },
    { segment: "ADVENTURE_SEEKER", score: score / 2, reasons, assignedAt },
  ];
}

await prisma.$connect();
await prisma.userVector.findFirst({ select: { id: true } });
const started = performance.now();
let done = 0;
let cursor = "";
while (done < wanted) {
  const page = await prisma.travelOnboardingProfile.findMany({
    where: { userId: { gt: cursor }, isCompleted: true },
    orderBy: { userId: "asc" },
    take: Math.min(PAGE, wanted - done),
  });
  if (page.length === 0) break;
  for (const profile of page) {
    const now = new Date();
    const segments = segmentsOf(profile, now.toISOString());
    await prisma.userVector.update({
      where: { userId: profile.userId },
      data: {
        segments,
        primarySegment: segments[0].segment,
        segmentConfidence: segments[0].score,
        lastSegmentUpdate: now,
      },
      select: { id: true },
    });
  }
  done += page.length;
  cursor = page[page.length - 1].userId;
}
console.log(JSON.stringify({ users: done, seconds: (performance.now() - started) / 1000 }));
await prisma.$disconnect();
