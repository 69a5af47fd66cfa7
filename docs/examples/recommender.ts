// The newest segments of a user in TypeScript, from a record and from the HTTP API. The types are made from the contracts:
//
//   npx json-schema-to-typescript --no-additionalProperties schemas/json/segment-changed.schema.json > segment-changed.d.ts
//   npx openapi-typescript schemas/openapi.json --output openapi.d.ts
import type { components } from './openapi.js';
import type { SegmentChanged } from './segment-changed.js';

type User = components['schemas']['UserReport'];
type Problem = components['schemas']['Problem'];

/** The segments of a record's value, best first; null for a tombstone. */
export function segments(value: Buffer | null): string[] | null {
  if (value === null) return null;
  const event: SegmentChanged = JSON.parse(value.toString());
  return event.payload.newSegments.map(({ segment }) => segment);
}

/** A user as the service has them; null where nothing is known. */
export async function lookUp(service: string, token: string, user: string): Promise<User | null> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${service}/v1/users/${encodeURIComponent(user)}/segments`, { headers });
  if (answer.status === 404) return null;
  const body: unknown = await answer.json();
  if (!answer.ok) throw new Error((body as Problem).detail);
  return body as User;
}
