import type { Condition } from '@pulsemesh/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageRefusedError, refusalCodes } from './errors.ts';
import { messageLimits, parseReadingMessage } from './message.ts';

const arrivalMs = Date.UTC(2026, 0, 1);
const original = '{"userId":"QmTp9VkYvnHyrqKQuFPiuZkiX9gPcqj6x5LJ1rmWuSySnL","heartrate":"75.52868227718442"}';

describe('parseReadingMessage', () => {
  it('takes the original message as it stands and stamps it on arrival', () => {
    expect(parse(original)).toEqual({
      userId: 'QmTp9VkYvnHyrqKQuFPiuZkiX9gPcqj6x5LJ1rmWuSySnL',
      tMs: arrivalMs,
      heartRateBpm: 75.52868227718442,
      rrMs: [],
      seq: null,
      confidence: null,
      isStamped: true,
    });
    expect(parse('{"userId":"a","heartrate":75.5}')).toMatchObject({ heartRateBpm: 75.5, isStamped: true });
  });

  it('takes version 1 with the time as a number or as ISO 8601', () => {
    const message = {
      userId: 'wearer-1',
      t: 1_760_000_000_123,
      heartrate: 61,
      rr: [980.5, 1001],
      seq: 7,
      confidence: 0,
    };
    const expected = {
      userId: 'wearer-1',
      tMs: 1_760_000_000_123,
      heartRateBpm: 61,
      rrMs: [980.5, 1001],
      seq: 7,
      confidence: 0,
      isStamped: false,
    };
    expect(parse(message)).toEqual(expected);
    expect(parse({ ...message, t: '2025-10-09T08:53:20.123Z' })).toEqual(expected);
    expect(parse({ ...message, t: '2025-10-09T10:53:20.123+02:00' })).toEqual(expected);
    expect(parse({ ...message, rr: null, seq: null, confidence: null })).toMatchObject({ rrMs: [], seq: null });
  });

  const valid = { userId: 'a', t: 1, heartrate: 60 };
  it.each([
    ['message-not-json', 'heart'],
    ['message-not-json', ''],
    ['message-not-object', '[1]'],
    ['message-not-object', 'null'],
    ['message-too-large', { ...valid, padding: 'x'.repeat(messageLimits.bytesMax) }],
    ['user-id-missing', { t: 1, heartrate: 60 }],
    ['user-id-malformed', { ...valid, userId: '' }],
    ['user-id-malformed', { ...valid, userId: 'x'.repeat(messageLimits.userIdCharactersMax + 1) }],
    ['user-id-malformed', { ...valid, userId: 'a\r\nb' }],
    ['user-id-malformed', { ...valid, userId: 'a\u202eb' }],
    ['user-id-malformed', { ...valid, userId: 5 }],
    ['heart-rate-missing', { userId: 'a', t: 1 }],
    ['heart-rate-malformed', { ...valid, heartrate: 'fast' }],
    ['heart-rate-malformed', { ...valid, heartrate: '' }],
    ['heart-rate-malformed', { ...valid, heartrate: '0x40' }],
    ['heart-rate-malformed', { ...valid, heartrate: null }],
    ['heart-rate-out-of-range', { ...valid, heartrate: 0 }],
    ['heart-rate-out-of-range', { ...valid, heartrate: messageLimits.heartRateBpmMax + 0.1 }],
    ['heart-rate-out-of-range', { ...valid, heartrate: '-60' }],
    ['time-missing', { userId: 'a', heartrate: 60, seq: 1 }],
    ['time-missing', { userId: 'a', heartrate: 60, rr: [800] }],
    ['time-malformed', { ...valid, t: '2025-10-09T08:53:20' }],
    ['time-malformed', { ...valid, t: '2025-13-09T08:53:20Z' }],
    ['time-malformed', { ...valid, t: -1 }],
    ['time-malformed', { ...valid, t: messageLimits.tMsMax + 1 }],
    ['time-malformed', { ...valid, t: null }],
    ['rr-malformed', { ...valid, rr: 800 }],
    ['rr-malformed', { ...valid, rr: [800, '800'] }],
    ['rr-malformed', { ...valid, rr: [0] }],
    ['rr-malformed', { ...valid, rr: [messageLimits.rrMsMax + 1] }],
    ['rr-too-many', { ...valid, rr: Array(messageLimits.rrCountMax + 1).fill(800) }],
    ['seq-malformed', { ...valid, seq: 1.5 }],
    ['seq-malformed', { ...valid, seq: -1 }],
    ['seq-malformed', { ...valid, seq: 2 ** 53 }],
    ['confidence-malformed', { ...valid, confidence: 1.01 }],
  ])('refuses with %s: %j', (code, message) => {
    expect(() => parse(message)).toThrow(expect.objectContaining({ name: 'MessageRefusedError', code }));
  });

  it('takes what lies exactly on the limits', () => {
    const { heartRateBpmMax, rrCountMax, rrMsMax, userIdCharactersMax } = messageLimits;
    const reading = parse({
      userId: 'x'.repeat(userIdCharactersMax),
      t: 0,
      heartrate: heartRateBpmMax,
      rr: Array(rrCountMax).fill(rrMsMax),
      seq: Number.MAX_SAFE_INTEGER,
      confidence: 1,
    });
    expect(reading.rrMs).toHaveLength(rrCountMax);
  });

  it('reads nothing from a prototype a message brings', () => {
    const message = '{"__proto__":{"userId":"a","heartrate":60},"constructor":{"prototype":{"polluted":1}}}';
    expect(() => parse(message)).toThrow(expect.objectContaining({ code: 'user-id-missing' }));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(({} as Record<string, unknown>)['userId']).toBeUndefined();
  });

  it('answers any bytes with a reading or a known refusal that does not repeat them', () => {
    const marker = 'MARKER';
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.json().map(bytesOf), nearMessage(marker)),
        (payload) => {
          try {
            parseReadingMessage(payload, arrivalMs);
          } catch (error) {
            expect(error).toBeInstanceOf(MessageRefusedError);
            const refusal = error as Condition;
            expect(refusalCodes).toContain(refusal.code);
            expect(`${refusal.message}${JSON.stringify(refusal.facts)}`).not.toContain(marker);
            expect(refusal.cause).toBeUndefined();
          }
        },
      ),
    );
  });
});

function nearMessage(marker: string): fc.Arbitrary<Uint8Array> {
  const odd = fc.oneof(fc.constant(marker), fc.double(), fc.integer(), fc.constant(null), fc.array(fc.integer()));
  return fc
    .record({ userId: odd, t: odd, heartrate: odd, rr: odd, seq: odd, confidence: odd }, { requiredKeys: [] })
    .map((message) => bytesOf(JSON.stringify(message)));
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function parse(message: unknown) {
  return parseReadingMessage(bytesOf(typeof message === 'string' ? message : JSON.stringify(message)), arrivalMs);
}
