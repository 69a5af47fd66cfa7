// Segments a bounded number of users as the platform's own script does: it fetches vectors, retrieves each user's profile, computes
// and updates, through Prisma, every call awaited. The computation costs next to nothing, so that the way of reading and writing is
// measured and not an engine. With `pages` it retrieves profiles by the page as well, and only updates a row at a time.
//
//   DATABASE_URL=... node row-at-a-time.mjs USERS [pages]
//
// Prints {"users": …, "seconds": …}, without the start of the process and its connection.
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "@prisma/client";

const PAGE = 500;
const wanted = Number(process.argv[2]);
const retrievesPages = process.argv[3] === "pages";
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

async function profilesOf(users) {
  const profiles = await prisma.travelOnboardingProfile.findMany({ where: { userId: { in: users } } });
  return new Map(profiles.map((profile) => [profile.userId, profile]));
}

await prisma.$connect();
await prisma.userVector.findFirst({ select: { id: true } });
const started = performance.now();
let done = 0;
let cursor = "";
while (done < wanted) {
  const vectors = await prisma.userVector.findMany({
    where: { userId: { gt: cursor } },
    orderBy: { userId: "asc" },
    take: Math.min(PAGE, wanted - done),
    select: { userId: true },
  });
  if (vectors.length === 0) break;
  const users = vectors.map((vector) => vector.userId);
  const page = retrievesPages ? await profilesOf(users) : undefined;
  for (const userId of users) {
    const profile = page?.get(userId) ?? (await prisma.travelOnboardingProfile.findUnique({ where: { userId } }));
    const now = new Date();
    const segments = segmentsOf(profile, now.toISOString());
    await prisma.userVector.update({
      where: { userId },
      data: {
        segments,
        primarySegment: segments[0].segment,
        segmentConfidence: segments[0].score,
        lastSegmentUpdate: now,
      },
      select: { id: true },
    });
  }
  done += users.length;
  cursor = users[users.length - 1];
}
console.log(JSON.stringify({ users: done, seconds: (performance.now() - started) / 1000 }));
await prisma.$disconnect();
