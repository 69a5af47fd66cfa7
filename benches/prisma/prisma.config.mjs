// The engine in JavaScript: Prisma would download another one, only to generate its client.
import { PrismaPg } from "@prisma/adapter-pg";

export default {
  schema: "schema.prisma",
  engine: "js",
  experimental: { adapter: true },
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
};
