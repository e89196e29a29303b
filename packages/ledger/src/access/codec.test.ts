import { testAuthor } from '@pulsemesh/board/testing';
import { DecodeError, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accessLimits } from './access-limits.ts';
import type { AccessReceipt, AccessRecord } from './access-types.ts';
import { hexOf } from './fields.ts';
import { decodeReadRequest, encodeReadRequest, isReadSignedBy, signReadRequest } from './read-request.ts';
import { decodeAccessReceipt, encodeAccessReceipt } from './receipt-codec.ts';
import { decodeAccessRecord, encodeAccessRecord } from './record-codec.ts';

const reader = testAuthor('reader');
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const count = fc.nat();

const someRecord: fc.Arbitrary<AccessRecord> = fc.record({
  kind: fc.constantFrom('read', 'release', 'denied', 'asked', 'refused', 'accepted', 'revoked', 'emergency'),
  grantId: hash.map(hexOf),
  ordinal: count,
  reader: fc.constantFrom(reader.peerId, testAuthor('another').peerId),
  atMs: count,
  request: hash.map(hexOf),
  purpose: fc.stringMatching(/^[a-z/]{0,128}$/),
  fromSeconds: count,
  untilSeconds: count,
  records: count,
  bytes: count,
  reason: fc.option(fc.stringMatching(/^[a-z-]{0,200}$/)),
});

const someReceipt: fc.Arbitrary<AccessReceipt> = fc.record({
  record: someRecord,
  salt: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  index: count,
  path: fc.array(hash, { maxLength: accessLimits.pathHashesMax }),
  checkpoint: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  request: fc.option(fc.uint8Array({ minLength: 1, maxLength: 200 })),
  signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
});

describe('records and receipts', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(someReceipt, (receipt) => {
        expect(decodeAccessReceipt(encodeAccessReceipt(receipt))).toEqual(receipt);
        expect(decodeAccessRecord(encodeAccessRecord(receipt.record))).toEqual(receipt.record);
      }),
    );
  });

  it('that were damaged are refused, or are others', () => {
    fc.assert(
      fc.property(someReceipt, fc.nat(), fc.integer({ min: 1, max: 255 }), (receipt, at, change) => {
        const bytes = encodeAccessReceipt(receipt);
        bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ change;
        try {
          expect(decodeAccessReceipt(bytes)).not.toEqual(receipt);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });

  it('of any other bytes are refused as such', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.anything().map(cborOf)), (bytes) => {
        for (const decode of [decodeAccessReceipt, decodeAccessRecord, decodeReadRequest])
          expect(() => decode(bytes)).toThrow(DecodeError);
      }),
    );
  });

  it('past a limit are refused', () => {
    const [record] = fc.sample(someRecord, 1) as [AccessRecord];
    const [receipt] = fc.sample(someReceipt, 1) as [AccessReceipt];
    const refused = (changes: Partial<AccessRecord>) =>
      expect(() => decodeAccessRecord(encodeAccessRecord({ ...record, ...changes }))).toThrow(DecodeError);
    refused({ purpose: 'p'.repeat(accessLimits.purposeCharactersMax + 1) });
    refused({ reason: 'r'.repeat(accessLimits.reasonCharactersMax + 1) });
    refused({ reason: 'a\nb' });
    refused({ records: -1 });
    const refusedReceipt = (changes: Partial<AccessReceipt>) =>
      expect(() => decodeAccessReceipt(encodeAccessReceipt({ ...receipt, ...changes }))).toThrow(DecodeError);
    refusedReceipt({ path: Array.from({ length: accessLimits.pathHashesMax + 1 }, () => new Uint8Array(32)) });
    refusedReceipt({ checkpoint: new Uint8Array(accessLimits.checkpointBytesMax + 1) });
    refusedReceipt({ request: new Uint8Array(accessLimits.requestBytesMax + 1) });
    refusedReceipt({ salt: new Uint8Array(15) });
    expect(() => decodeAccessReceipt(new Uint8Array(accessLimits.receiptBytesMax + 1))).toThrow(DecodeError);
  });
});

describe('a request to read', () => {
  const asked = {
    grantId: `0x${'11'.repeat(32)}`,
    readId: '0a'.repeat(16),
    vital: 'windows',
    fromSeconds: 0,
    untilSeconds: 3600,
    atMs: 5,
  } as const;
  const body = signReadRequest(asked, reader);

  it('is its reader’s alone, to the last field', () => {
    expect(isReadSignedBy(body, reader.peerId)).toBe(true);
    expect(isReadSignedBy(body, testAuthor('another').peerId)).toBe(false);
    const changes = [
      { grantId: `0x${'12'.repeat(32)}` },
      { readId: '0b'.repeat(16) },
      { vital: 'alerts' },
      { fromSeconds: 1 },
      { untilSeconds: 3601 },
      { atMs: 6 },
      { grantId: 'no hex' },
    ] as Partial<typeof body>[];
    for (const change of changes) expect(isReadSignedBy({ ...body, ...change }, reader.peerId)).toBe(false);
  });

  it('comes back as it went', () => {
    expect(decodeReadRequest(encodeReadRequest(body))).toEqual(body);
  });
});

function cborOf(value: unknown): Uint8Array {
  try {
    return encodeCbor(value);
  } catch {
    return encodeCbor(null); // no CBOR form
  }
}
