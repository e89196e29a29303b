import { createSeededRandom } from '@pulsemesh/base';
import { createKeyTree } from '@pulsemesh/crypto';
import { equalBytes, toHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AlertEvent } from '../alerts/alert.ts';
import {
  alertRecord,
  alertStateBytesMax,
  openAlertEvent,
  openPrediction,
  openWindow,
  parseAlertEventObject,
  predictionRecord,
  type StoredPrediction,
  type StoredWindow,
  sealRecord,
  windowRecord,
} from './codec.ts';
import { MalformedRecordError, RecordLimitError } from './parse.ts';

const random = createSeededRandom(1);
const tree = createKeyTree(random.bytes(32));
const alertId = '00112233445566778899aabbccddeeff';

const seconds = fc.integer({ min: 0, max: 2 ** 33 });
const input = fc.constantFrom('rr', 'hr', 'wrist' as const);
const windows: fc.Arbitrary<StoredWindow> = fc.record({
  startSeconds: seconds,
  readingCount: fc.nat(10_000),
  idsXor: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  input,
  quality: fc.record({ missingSeconds: fc.nat(10), implausibleCount: fc.nat(100), isUsable: fc.boolean() }),
});
const predictions: fc.Arbitrary<StoredPrediction> = fc.record({
  startSeconds: seconds,
  score: fc.option(fc.integer({ min: 0, max: 10_000 }).map((value) => value / 10_000)),
  input,
  modelId: fc.constant('0123456789abcdef'),
  revision: fc.nat(10_000),
  alertState: fc.array(fc.oneof(fc.nat(), fc.constant(null), fc.array(fc.nat(), { maxLength: 4 })), { maxLength: 20 }),
});
const events: fc.Arbitrary<AlertEvent> = fc.oneof(
  fc.record({
    type: fc.constant('raised' as const),
    alertId: fc.constant(alertId),
    kind: fc.constant('irregular-rhythm' as const),
    episodeStartSeconds: seconds,
    atSeconds: seconds,
  }),
  fc.record({
    type: fc.constant('resolved' as const),
    alertId: fc.constant(alertId),
    kind: fc.constant('irregular-rhythm' as const),
    atSeconds: seconds,
  }),
  fc.record({
    type: fc.constant('notified' as const),
    alertId: fc.constant(alertId),
    recipientCount: fc.nat(10),
    atMs: fc.nat(),
  }),
  fc.record({
    type: fc.constant('acknowledged' as const),
    alertId: fc.constant(alertId),
    by: fc.constantFrom('Ada', 'Dr Grün'),
    atMs: fc.nat(),
  }),
);

describe('records', () => {
  it('open to what was sealed', () => {
    fc.assert(
      fc.property(windows, (window) => {
        const opened = openWindow(tree, windowRecord(tree, window, random));
        expect(toHex(opened.idsXor)).toBe(toHex(window.idsXor));
        expect({ ...opened, idsXor: null }).toEqual({ ...window, idsXor: null });
      }),
    );
    fc.assert(
      fc.property(predictions, (prediction) => {
        expect(openPrediction(tree, predictionRecord(tree, prediction, random))).toEqual(prediction);
      }),
    );
    fc.assert(
      fc.property(events, (event) => {
        expect(openAlertEvent(tree, alertRecord(tree, event, 1000, random))).toEqual(event);
        expect(parseAlertEventObject(event)).toEqual(event);
      }),
    );
  });

  it('have the same key whoever writes them, and a revision that says which is newer', () => {
    const window: StoredWindow = {
      startSeconds: 1000,
      readingCount: 9,
      idsXor: new Uint8Array(16),
      input: 'rr',
      quality: { missingSeconds: 1, implausibleCount: 0, isUsable: true },
    };
    const one = windowRecord(tree, window, random);
    const more = windowRecord(tree, { ...window, readingCount: 10 }, createSeededRandom(2));
    expect(equalBytes(one.id, more.id)).toBe(true);
    expect([one.bucketSeconds, one.revision, more.revision]).toEqual([1000, 9, 10]);
    const notified = { type: 'notified', alertId, recipientCount: 2, atMs: 5 } as const;
    expect(alertRecord(tree, notified, 1000, random).revision).toBe(2);
  });

  it('do not open when altered, moved, or under another tree', () => {
    const event = { type: 'resolved', alertId, kind: 'irregular-rhythm', atSeconds: 9 } as const;
    const record = alertRecord(tree, event, 1000, random);
    for (let bit = 0; bit < record.sealed.length * 8; bit += 1) {
      const sealed = record.sealed.slice();
      sealed[bit >> 3] = (sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => openAlertEvent(tree, { ...record, sealed })).toThrow(
        expect.objectContaining({ code: 'seal-broken' }),
      );
    }
    expect(() => openAlertEvent(tree, { ...record, bucketSeconds: 1010 })).toThrow();
    expect(() => openAlertEvent(tree, { ...record, revision: 1 })).toThrow();
    expect(() => openAlertEvent(createKeyTree(random.bytes(32)), record)).toThrow();
  });

  it('refuse an alert state past its limit', () => {
    const prediction = { startSeconds: 0, score: null, input: 'rr', modelId: 'm', revision: 1 } as const;
    const alertState = new Uint8Array(alertStateBytesMax);
    expect(() => predictionRecord(tree, { ...prediction, alertState }, random)).toThrow(RecordLimitError);
  });

  it('refuse any plaintext of another shape with a condition', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(2, 3, 4 as const), (plaintext, kind) => {
        const record = sealRecord(tree, kind, 0, new Uint8Array(16), 0, plaintext, random);
        const open = kind === 2 ? openWindow : kind === 3 ? openPrediction : openAlertEvent;
        expect(() => open(tree, record)).toThrow(expect.objectContaining({ code: expect.any(String) }));
      }),
    );
    const bad: unknown[] = [
      null,
      [],
      'raised',
      { type: 'other', alertId },
      { type: 'raised', alertId: 'short', kind: 'irregular-rhythm', episodeStartSeconds: 0, atSeconds: 0 },
      { type: 'raised', alertId, kind: 'else', episodeStartSeconds: 0, atSeconds: 0 },
      { type: 'raised', alertId, kind: 'irregular-rhythm', episodeStartSeconds: -1, atSeconds: 0 },
      { type: 'acknowledged', alertId, by: 'a\r\nBcc: b', atMs: 0 },
      { type: 'acknowledged', alertId, by: 'x'.repeat(201), atMs: 0 },
    ];
    for (const value of bad) expect(() => parseAlertEventObject(value)).toThrow(MalformedRecordError);
  });
});
