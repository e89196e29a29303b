import type { Random } from '@pulsemesh/base';
import type { KeyTree } from '@pulsemesh/crypto';
import type { VitalKind } from '../market/messages.ts';
import type { RecordShelf } from '../market/offices.ts';
import { kindOfVital } from '../release/span.ts';

/** Hours of recording that patients of a test have, one record of each kind an hour. */
export const recordedHours = 48;

export interface RecordSpan {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
}

/** What was recorded of the patient at `place` within a span, of records that begin at `startSeconds`. */
export function recordedTexts(place: number, vital: VitalKind, span: RecordSpan, startSeconds: number): string[] {
  const found: string[] = [];
  for (let hour = 0; hour < recordedHours; hour += 1) {
    const at = startSeconds + hour * 3600;
    if (at >= span.fromSeconds && at < span.untilSeconds) found.push(`${vital} ${place} ${hour}`);
  }
  return found;
}

/** The same as storage has it: sealed by the key trees of the patients. */
export function createTestShelf(
  trees: readonly KeyTree[],
  { random, startSeconds }: { readonly random: Random; readonly startSeconds: number },
): RecordShelf {
  return {
    async read(subject, vital, span) {
      const owner = trees.findIndex((tree) => tree.subject.join() === subject.join());
      const tree = trees[owner];
      if (tree === undefined) return [];
      const kind = kindOfVital[vital];
      return recordedTexts(owner, vital, span, startSeconds).map((text) => {
        const bucketSeconds = startSeconds + Number(text.split(' ')[2]) * 3600;
        const place = { kind, bucketSeconds, id: tree.recordId(kind, text), revision: 0 };
        return { subject, ...place, sealed: tree.seal(place, new TextEncoder().encode(text), random) };
      });
    },
  };
}
