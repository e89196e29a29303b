import { DecodeError } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InboxId, inboxIdOf } from '../inbox-id.ts';
import {
  decodeClaimRequest,
  decodeClaimResponse,
  decodeIds,
  decodePeerOffer,
  decodePeerOpen,
  decodePresences,
  decodeTopicBatch,
  encodeClaimRequest,
  encodeClaimResponse,
  encodeIds,
  encodePeerOffer,
  encodePeerOpen,
  encodePresences,
  encodeTopicBatch,
} from './agents.ts';
import { relayWireLimits } from './limits.ts';
import {
  decodeReceipt,
  decodeReceiveCommand,
  decodeReceiveEvents,
  encodeReceipt,
  encodeReceiveCommand,
  encodeReceiveEvents,
} from './receive.ts';
import { decodeSendBatch, decodeSendResults, encodeSendBatch, encodeSendResults, type SendItem } from './send.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((value) => value.slice());
const inbox = bytes(16).map(inboxIdOf);
const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const blob = fc.uint8Array({ maxLength: 200 }).map((value) => value.slice());
const code = fc.stringMatching(/^[a-z-]{0,20}$/);
const epoch = fc.stringMatching(/^[0-9a-f]{16}$/);
const priority = fc.constantFrom('urgent' as const, 'normal' as const);
const maybeInbox = fc.option(inbox);
const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 5 });

/** What is read is what was written; `hex` makes byte arrays of any kind comparable. */
function roundTrip<T>(
  name: string,
  of: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (b: Uint8Array) => T,
) {
  it(`reads ${name} as they were written`, () => {
    fc.assert(
      fc.property(of, (value) => {
        expect(hex(decode(encode(value)))).toEqual(hex(value));
      }),
    );
  });
  it(`throws a DecodeError or nothing for any bytes as ${name}`, () => {
    const flipped = fc.tuple(of.map(encode), fc.nat(), fc.nat(255)).map(([good, at, value]) => {
      const bad = good.slice();
      if (bad.length > 0) bad[at % bad.length] = value;
      return bad;
    });
    fc.assert(
      fc.property(fc.oneof(flipped, fc.uint8Array({ maxLength: 80 })), (bad) => {
        try {
          decode(bad);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
}

function hex(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, each) => (each instanceof Uint8Array ? [...each] : each)));
}

const sendItem: fc.Arbitrary<SendItem> = fc.record({
  ref: number,
  to: fc.array(inbox, { minLength: 1, maxLength: 4 }),
  messageId: bytes(16),
  envelope: blob,
  ttlSeconds: uint32,
  priority,
  receiptTo: maybeInbox,
});

describe('the wire of the relay', () => {
  roundTrip('send batches', list(sendItem), encodeSendBatch, decodeSendBatch);
  const refused = fc.record({ target: fc.nat(255), code });
  roundTrip(
    'send results',
    list(fc.record({ ref: number, refused: list(refused) })),
    encodeSendResults,
    decodeSendResults,
  );
  const command = fc.record({
    watch: list(fc.record({ inbox, epoch: fc.option(epoch), offset: number })),
    windowMessages: fc.nat(4096),
    windowBytes: fc.nat(1_000_000),
    acks: list(fc.record({ inbox, offsets: list(number) })),
    reads: list(fc.record({ inbox, messageId: bytes(16), receiptTo: inbox })),
    unwatch: list(inbox),
  });
  roundTrip('receive commands', command, encodeReceiveCommand, decodeReceiveCommand);
  const watched = fc.record({
    inbox,
    code,
    epoch: fc.option(epoch),
    continuity: fc.constantFrom('new' as const, 'kept' as const, 'lost' as const),
  });
  const delivery = fc.record({
    inbox,
    offset: number,
    messageId: bytes(16),
    envelope: blob,
    storedMs: number,
    priority,
    kind: fc.constantFrom('message' as const, 'receipt' as const),
    receiptTo: maybeInbox,
  });
  const events = fc.record({ watched: list(watched), deliveries: list(delivery) });
  roundTrip('receive events', events, encodeReceiveEvents, decodeReceiveEvents);
  const kind = fc.constantFrom('delivered' as const, 'read' as const);
  roundTrip('receipts', fc.record({ kind, inbox, messageId: bytes(16) }), encodeReceipt, decodeReceipt);
  const claim = fc.record({ token: bytes(32), forSeconds: uint32, takesStreams: fc.boolean() });
  const request = fc.record({ claims: list(claim), release: list(inbox) });
  roundTrip('claim requests', request, encodeClaimRequest, decodeClaimRequest);
  roundTrip('claim responses', list(fc.record({ inbox, code })), encodeClaimResponse, decodeClaimResponse);
  const name = fc.stringMatching(/^[a-z0-9._/-]{1,64}$/);
  roundTrip('openings', fc.record({ to: inbox, name }), encodePeerOpen, decodePeerOpen);
  roundTrip('offers', fc.record({ from: bytes(32), to: inbox, name }), encodePeerOffer, decodePeerOffer);
  roundTrip('ids', list(inbox), encodeIds, decodeIds);
  const sinceMs = fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
  const presence = fc.record({ address: inbox, isOnline: fc.boolean(), sinceMs });
  roundTrip('presences', list(presence), encodePresences, decodePresences);
  roundTrip('topic messages', list(fc.record({ topic: inbox, payload: blob })), encodeTopicBatch, decodeTopicBatch);
});

describe('limits of the wire', () => {
  const one = inboxIdOf(new Uint8Array(16));
  const item = (to: readonly InboxId[], envelope = new Uint8Array(0)): SendItem => ({
    ref: 1,
    to,
    messageId: new Uint8Array(16),
    envelope,
    ttlSeconds: 0,
    priority: 'normal',
    receiptTo: null,
  });
  const times = <T>(count: number, value: T) => Array.from({ length: count }, () => value);
  const { targetsMax, itemsPerBatchMax, envelopeBytesMax, inboxesMax, claimsMax, topicPayloadBytesMax, addressesMax } =
    relayWireLimits;

  it.each([
    ['targets', (more: number) => decodeSendBatch(encodeSendBatch([item(times(targetsMax + more, one))]))],
    ['items', (more: number) => decodeSendBatch(encodeSendBatch(times(itemsPerBatchMax + more, item([one]))))],
    [
      'an envelope',
      (more: number) => decodeSendBatch(encodeSendBatch([item([one], new Uint8Array(envelopeBytesMax + more))])),
    ],
    [
      'inboxes',
      (more: number) =>
        decodeReceiveCommand(
          encodeReceiveCommand({ watch: times(inboxesMax + more, { inbox: one, epoch: null, offset: 0 }) }),
        ),
    ],
    [
      'claims',
      (more: number) =>
        decodeClaimRequest(
          encodeClaimRequest({
            claims: times(claimsMax + more, { token: new Uint8Array(32), forSeconds: 1, takesStreams: false }),
            release: [],
          }),
        ),
    ],
    ['addresses', (more: number) => decodeIds(encodeIds(times(addressesMax + more, one)))],
    [
      'a topic payload',
      (more: number) =>
        decodeTopicBatch(encodeTopicBatch([{ topic: one, payload: new Uint8Array(topicPayloadBytesMax + more) }])),
    ],
  ] as const)('take %s of the greatest number or length, and refuse one more', (_what, decode) => {
    decode(0);
    expect(() => decode(1)).toThrow(DecodeError);
  });

  it('refuse a message to nobody', () => {
    expect(() => decodeSendBatch(encodeSendBatch([item([])]))).toThrow(DecodeError);
  });
});
