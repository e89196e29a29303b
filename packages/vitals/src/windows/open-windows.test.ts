import type { SubjectId } from '@pulsemesh/network';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reading, UserId } from '../readings/reading.ts';
import { OpenWindows, OpenWindowsFullError, type SubjectReadings } from './open-windows.ts';

const startSeconds = 1_767_225_600;
const userId = 'device-1' as UserId;
const subjectId = '00'.repeat(16) as SubjectId;

function reading(second: number): Reading {
  const tMs = (startSeconds + second) * 1000;
  return { userId, tMs, heartRateBpm: 60, rrMs: [], seq: second, confidence: null, isStamped: false };
}

function part(seconds: readonly number[], subject = subjectId): SubjectReadings {
  return { subjectId: subject, userId, deviceKind: 'live', isRegistered: true, readings: seconds.map(reading) };
}

const seconds = (from: number, until: number) => Array.from({ length: until - from }, (_, index) => from + index);

function closableStarts(windows: OpenWindows, nowMs: number): number[] {
  return windows.closable(subjectId, nowMs, 100).map((window) => window.startSeconds - startSeconds);
}

describe('OpenWindows', () => {
  it("closes a window when the device's own time has passed its end by the lateness", () => {
    const windows = new OpenWindows();
    windows.add(part(seconds(0, 11)), 1, 0);
    expect(closableStarts(windows, 100)).toEqual([]);
    windows.add(part([11, 12]), 2, 100);
    expect(closableStarts(windows, 100)).toEqual([0]);
  });

  it('closes everything after a silence', () => {
    const windows = new OpenWindows();
    windows.add(part(seconds(0, 15)), 1, 0);
    expect(closableStarts(windows, 7_999)).toEqual([0]);
    expect(closableStarts(windows, 8_000)).toEqual([0, 10]);
  });

  it('lets a window that was touched after its time wait for more of the same', () => {
    const windows = new OpenWindows();
    windows.add(part([30]), 1, 0);
    windows.add(part([5]), 2, 100);
    expect(closableStarts(windows, 2_000)).toEqual([]);
    expect(closableStarts(windows, 2_100)).toEqual([0]);
  });

  it('knows a batch that comes again, before and after its window is done', () => {
    const windows = new OpenWindows();
    expect(windows.add(part(seconds(0, 10)), 1, 0)).toHaveLength(1);
    expect(windows.add(part(seconds(0, 10)), 2, 0)).toHaveLength(0);
    const [window] = windows.closable(subjectId, 10_000, 1);
    expect(windows.finish(subjectId, startSeconds, window?.keysDigest ?? '', 1)).toEqual([1]);
    expect(windows.windowCount).toBe(0);
    expect(windows.bytes).toBe(0);
    expect(windows.add(part(seconds(0, 10)), 3, 0)).toHaveLength(0);
    expect(windows.windowCount).toBe(0);
  });

  it('opens a window again for a late reading', () => {
    const windows = new OpenWindows();
    windows.add(part(seconds(0, 9)), 1, 0);
    const [window] = windows.closable(subjectId, 10_000, 1);
    windows.finish(subjectId, startSeconds, window?.keysDigest ?? '', 1);
    expect(windows.add(part([9]), 2, 10_000)).toHaveLength(1);
    expect(windows.windowCount).toBe(1);
  });

  it('keeps a window open that got more while it was dealt with', () => {
    const windows = new OpenWindows();
    windows.add(part(seconds(0, 9)), 1, 0);
    const keysDigest = windows.closable(subjectId, 10_000, 1)[0]?.keysDigest ?? '';
    windows.add(part([9]), 2, 10_000);
    expect(windows.finish(subjectId, startSeconds, keysDigest, 1)).toEqual([1]);
    expect(windows.subject(subjectId)?.windows.get(startSeconds)?.entries).toEqual([2]);
    expect(windows.subject(subjectId)?.windows.get(startSeconds)?.readings.size).toBe(10);
  });

  it('refuses what does not fit, by name, and changes nothing', () => {
    const other = '11'.repeat(16) as SubjectId;
    const full = (options: object, batch: readonly SubjectReadings[]) => {
      const windows = new OpenWindows(options);
      windows.add(part([0]), 1, 0);
      const bytesBefore = windows.bytes;
      expect(() => windows.assertRoom(batch)).toThrow(OpenWindowsFullError);
      expect([windows.windowCount, windows.bytes]).toEqual([1, bytesBefore]);
    };
    full({ subjectsMax: 1 }, [part([0], other)]);
    full({ windowsPerSubjectMax: 2 }, [part([10, 20])]);
    full({ bytesMax: 500 }, [part([1, 2])]);
    expect(() => new OpenWindows({ subjectsMax: 1 }).assertRoom([part([0])])).not.toThrow();
  });

  it('makes room for a new patient by forgetting one without open windows', () => {
    const windows = new OpenWindows({ subjectsMax: 1 });
    windows.add(part([0]), 1, 0);
    const [window] = windows.closable(subjectId, 10_000, 1);
    windows.finish(subjectId, startSeconds, window?.keysDigest ?? '', 1);
    const other = part([0], '11'.repeat(16) as SubjectId);
    windows.assertRoom([other]);
    windows.add(other, 2, 0);
    expect(windows.subjectCount).toBe(1);
  });

  it('does not hold more of one window than its limit, and says that storage has the rest', () => {
    const windows = new OpenWindows({ readingsPerWindowMax: 5 });
    windows.add(part(seconds(0, 10)), 1, 0);
    const window = windows.subject(subjectId)?.windows.get(startSeconds);
    expect([window?.readings.size, window?.isOverflowing]).toEqual([5, true]);
  });

  it('has the same digest for the same readings in any order, and another for others', () => {
    const digestOf = (list: readonly number[]) => {
      const windows = new OpenWindows();
      windows.add(part(list), 1, 0);
      return windows.subject(subjectId)?.windows.get(startSeconds)?.keysDigest;
    };
    const subset = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1 });
    fc.assert(
      fc.property(subset, subset, (one, other) => {
        const isSame = one.length === other.length && one.every((second) => other.includes(second));
        expect(digestOf(one) === digestOf(other)).toBe(isSame);
        expect(digestOf(one)).toBe(digestOf([...one].reverse()));
      }),
    );
  });
});
