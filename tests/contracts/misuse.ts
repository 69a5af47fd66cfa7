// Each use of the types that is wrong is an error, so the generated types are no `any`.
import type { components } from './openapi.js';
import type { SegmentChanged } from './segment-changed.js';

declare const event: SegmentChanged;
declare const user: components['schemas']['UserReport'];

// @ts-expect-error a revision is a number
export const revision: string = event.payload.revision;
// @ts-expect-error there may be no primary segment
export const primary: string = event.payload.primarySegment;
// @ts-expect-error the field is new_segments nowhere
export const segments = event.payload.new_segments;
// @ts-expect-error there may be no published change
export const published: number = user.lastPublished.revision;
// Every field is there, so it needs no default.
export const onboardedAt: string | null = user.onboardedAt;
export const confidence: number | null = event.payload.segmentConfidence;
