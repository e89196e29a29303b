import type { SubjectId } from '@pulsemesh/network';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AlertFold, encodeFold, type FoldRecord, type FoldWindow, foldHistoryMax, parseFold } from './fold.ts';

const subjectId = 'ab'.repeat(16) as SubjectId;
const base = 1_767_225_600;
const window = (index: number, score: number | null): FoldWindow => ({
  startSeconds: base + 10 * index,
  score,
  input: 'rr',
});
const isRaised = (record: FoldRecord) => record.events.some(({ event }) => event.type === 'raised');

function foldAll(scores: readonly (number | null)[], fold = new AlertFold(subjectId, null)): FoldRecord[] {
  return scores.map((score, index) => fold.step(window(index, score)));
}

const irregular = Array.from({ length: 40 }, () => 0.95);

describe('AlertFold', () => {
  it('raises one alert for one episode', () => {
    expect(foldAll(irregular).filter(isRaised)).toHaveLength(1);
  });

  it('goes on from any stored record as if it had never stopped', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.constantFrom(0.05, 0.5, 0.95)), { minLength: 2, maxLength: 80 }),
        fc.nat(),
        (scores, at) => {
          const whole = foldAll(scores);
          const cut = at % scores.length;
          const stored = parseFold(decodeCbor(encodeCbor(encodeFold(whole[cut] as FoldRecord))));
          const again = new AlertFold(subjectId, stored);
          const rest = scores.slice(cut + 1).map((score, index) => again.step(window(cut + 1 + index, score)));
          expect(rest).toEqual(whole.slice(cut + 1));
        },
      ),
    );
  });

  it('raises after all when late windows fill what was missing, and not twice', () => {
    const fold = new AlertFold(subjectId, null);
    const thin = irregular.slice(0, 20).map((score, index) => (index >= 8 ? null : score));
    expect(foldAll(thin, fold).some(isRaised)).toBe(false);
    const late = Array.from({ length: 12 }, (_, index) => fold.step(window(8 + index, 0.95)));
    expect(late.filter(isRaised)).toHaveLength(1);
    const onwards = irregular.map((score, index) => fold.step(window(20 + index, score)));
    expect(onwards.some(isRaised)).toBe(false);
  });

  it('does not tell anew what was told: a revision after an alert changes nothing', () => {
    const fold = new AlertFold(subjectId, null);
    const records = foldAll(irregular, fold);
    const at = records.findIndex(isRaised);
    const revised = fold.step(window(records.length - 1, 0.05));
    expect(at).toBeGreaterThan(0);
    expect(revised.events).toEqual([]);
    expect(revised.upToSeconds).toBe(base + 10 * (records.length - 1));
  });

  it('leaves windows older than its memory alone', () => {
    const fold = new AlertFold(subjectId, null);
    foldAll(
      irregular.slice(0, foldHistoryMax + 5).map(() => 0.05),
      fold,
    );
    const before = fold.step(window(foldHistoryMax + 5, 0.05));
    expect(fold.step(window(0, 0.95))).toEqual({ ...before, events: [] });
  });

  it('is changed by a step of its copy only when the copy is taken', () => {
    const fold = new AlertFold(subjectId, null);
    fold.step(window(0, 0.5));
    const copy = fold.clone();
    copy.step(window(1, 0.5));
    expect(fold.upToSeconds).toBe(base);
    expect(fold.isBehind(copy.step(window(2, 0.5)))).toBe(true);
  });

  it('refuses a stored record that is not one', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => parseFold(value)).toThrow();
      }),
    );
  });
});
