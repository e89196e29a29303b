import { fileURLToPath } from 'node:url';
import { DecodeError } from '@pulsemesh/wire';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { decodeBatch } from './decode-batch.ts';
import { batchHeadBytesMax, emptyHead, encodeBatch, itemBytesMax } from './encode-batch.ts';
import type { Batch, Item } from './items.ts';
import { sealedOverheadBytes, wireLimits } from './limits.ts';
import {
  decodePacket,
  decodeWelcomeCore,
  encodeHello,
  encodeHelloPacket,
  encodeRefusalPacket,
  encodeSealedPacket,
  encodeWelcomeCore,
  encodeWelcomePacket,
} from './packet.ts';
import { ProtoWriter, varintLength } from './proto-writer.ts';

// The file as another library reads it: what a foreign implementation would do.
const root = protobuf.loadSync(fileURLToPath(new URL('../../proto/link.proto', import.meta.url)));
const schema = (name: string) => root.lookupType(`pulsemesh.link.v1.${name}`);
const plainOf = (name: string, bytes: Uint8Array) =>
  schema(name).toObject(schema(name).decode(bytes), { longs: Number, bytes: Array, defaults: true, oneofs: true });
const foreign = (name: string, value: object): Uint8Array =>
  new Uint8Array(schema(name).encode(schema(name).fromObject(value)).finish());

const number = fc.oneof(fc.nat(200), fc.maxSafeNat());
const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const text = fc.string({ maxLength: 20, unit: 'grapheme' });
const code = fc.string({ maxLength: 16 });

const item: fc.Arbitrary<Item> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('data'), stream: uint32, payload: bytes(300), more: fc.boolean() }),
  },
  fc.record({
    kind: fc.constant('login'),
    publicKey: exactly(32),
    signature: exactly(64),
    certificates: fc.array(bytes(100), { maxLength: 4 }),
    invitation: bytes(60),
    software: text,
  }),
  fc.record({ kind: fc.constant('login-result'), isAccepted: fc.boolean(), code, text, isGuest: fc.boolean() }),
  fc.record({ kind: fc.constant('open'), stream: uint32, method: code }),
  fc.record({ kind: fc.constant('credit'), stream: uint32, bytes: uint32 }),
  fc.record({ kind: fc.constant('end'), stream: uint32 }),
  fc.record({ kind: fc.constant('reset'), stream: uint32, code, text, isRetryable: fc.boolean() }),
  fc.record({ kind: fc.constant('goodbye'), code, text, isRetryable: fc.boolean() }),
  fc.record({ kind: fc.constant('unknown') }),
) as fc.Arbitrary<Item>; // `kind` is a constant of its own in each record

const batch: fc.Arbitrary<Batch> = fc
  .record({
    ack: number,
    route: number,
    resend: fc.boolean(),
    first: number,
    items: fc.array(item, { maxLength: 12 }),
    ping: number,
    pong: number,
    close: fc.boolean(),
    certificate: fc.oneof(fc.constant(new Uint8Array(0)), exactly(32)),
  })
  .map((value) => ({ ...value, first: value.items.length === 0 ? 0 : value.first + 1 }))
  .filter((value) => Number.isSafeInteger(value.first));

/** The item as the schema names its fields. */
function foreignItem(value: Item): object {
  switch (value.kind) {
    case 'login':
      return { login: value };
    case 'login-result':
      return { loginResult: { ...value, accepted: value.isAccepted, guest: value.isGuest } };
    case 'reset':
      return { reset: { ...value, retryable: value.isRetryable } };
    case 'goodbye':
      return { goodbye: { ...value, retryable: value.isRetryable } };
    case 'unknown':
      return {};
    default:
      return { [value.kind]: value };
  }
}

const asPlain = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (_, field) => (field instanceof Uint8Array ? [...field] : field)));

test('a batch that is encoded here is the one that another library encodes, and is read back the same', () => {
  fc.assert(
    fc.property(batch, (value) => {
      const encoded = encodeBatch(value, value.items).slice();
      expect(asPlain(decodeBatch(encoded))).toEqual(asPlain(value));
      const theirs = foreign('Batch', { ...value, items: value.items.map(foreignItem) });
      expect(asPlain(decodeBatch(theirs))).toEqual(asPlain(value));
      expect(plainOf('Batch', encoded)).toEqual(plainOf('Batch', theirs));
      const promised = value.items.reduce((sum, each) => sum + itemBytesMax(each), batchHeadBytesMax);
      expect(encoded.length).toBeLessThanOrEqual(promised);
    }),
  );
});

test('packets that are encoded here are read by another library, and theirs here', () => {
  const core = fc.record({
    version: uint32,
    session: exactly(16),
    ephemeral: exactly(32),
    server: exactly(32),
    timeMs: fc.maxSafeNat(),
    certificate: fc.oneof(fc.constant(new Uint8Array(0)), exactly(32)),
    packetBytesMax: uint32,
    streamsMax: uint32,
    graceMs: uint32,
  });
  fc.assert(
    fc.property(core, exactly(64), exactly(16), number, bytes(2000), (welcome, signature, session, packet, box) => {
      const coreBytes = encodeWelcomeCore(welcome);
      expect(asPlain(decodeWelcomeCore(coreBytes))).toEqual(asPlain(welcome));
      expect(asPlain(decodeWelcomeCore(foreign('WelcomeCore', welcome)))).toEqual(asPlain(welcome));
      const welcomed = decodePacket(encodeWelcomePacket(coreBytes, signature));
      expect(asPlain(welcomed)).toEqual(asPlain({ kind: 'welcome', core: coreBytes, signature }));
      const sealed = encodeSealedPacket(session, packet, box);
      expect(asPlain(decodePacket(sealed))).toEqual(asPlain({ kind: 'sealed', session, number: packet, box }));
      expect(sealed.length).toBeLessThanOrEqual(box.length - 16 + sealedOverheadBytes);
      const theirs = foreign('Packet', { sealed: { session, number: packet, box } });
      expect(plainOf('Packet', theirs)).toEqual(plainOf('Packet', sealed));
      const hello = encodeHello({ version: 1, ephemeral: welcome.ephemeral, nonce: welcome.server });
      expect(plainOf('Packet', encodeHelloPacket(hello))).toEqual(
        plainOf(
          'Packet',
          foreign('Packet', { hello: { version: 1, ephemeral: welcome.ephemeral, nonce: welcome.server } }),
        ),
      );
      expect(asPlain(decodePacket(encodeRefusalPacket('busy', 'später', session)))).toEqual(
        asPlain({ kind: 'refusal', code: 'busy', text: 'später', session }),
      );
    }),
    { numRuns: 50 },
  );
});

test('fields that are not known are passed over, wherever they stand', () => {
  const unknownFields = [
    0xa0, 0x06, 0x01, 0xa2, 0x06, 0x02, 0x01, 0x02, 0xa5, 0x06, 1, 2, 3, 4, 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8,
  ];
  const data = [0x22, 4 + unknownFields.length, 0x08, 0x05, 0x18, 0x01, ...unknownFields];
  const inner = [...data, ...unknownFields];
  const bytesOfBatch = Uint8Array.from([...unknownFields, 0x20, 0x01, 0x2a, inner.length, ...inner, ...unknownFields]);
  expect(decodeBatch(bytesOfBatch).items).toEqual([
    { kind: 'data', stream: 5, payload: new Uint8Array(0), more: true },
  ]);
  const later = Uint8Array.from([0x20, 0x01, 0x2a, 4, 0x4a, 2, 0x08, 0x01]);
  expect(decodeBatch(later).items).toEqual([{ kind: 'unknown' }]);
});

test('bytes of any kind are decoded or refused with a DecodeError', () => {
  const decoders: ((input: Uint8Array) => unknown)[] = [decodePacket, decodeBatch, decodeWelcomeCore];
  const check = (input: Uint8Array) => {
    for (const decode of decoders) {
      try {
        decode(input);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }
  };
  fc.assert(fc.property(bytes(200), check), { numRuns: 500 });
  fc.assert(
    fc.property(batch, fc.nat(), fc.nat(255), fc.nat(), (value, at, byte, cut) => {
      const encoded = encodeBatch(value, value.items).slice();
      check(encoded.subarray(0, cut % (encoded.length + 1)));
      if (encoded.length > 0) encoded[at % encoded.length] = byte;
      check(encoded);
    }),
    { numRuns: 300 },
  );
});

const batchWith = (value: Item) => encodeBatch({ ...emptyHead, first: 1 }, [value]).slice();
const reset = (code: string, text: string): Item => ({ kind: 'reset', stream: 1, code, text, isRetryable: false });
const login = (certificates: Uint8Array[], invitation: number, software: string): Item => ({
  kind: 'login',
  publicKey: new Uint8Array(32),
  signature: new Uint8Array(64),
  certificates,
  invitation: new Uint8Array(invitation),
  software,
});
const data = (payloadBytes: number): Item => ({
  kind: 'data',
  stream: 1,
  payload: new Uint8Array(payloadBytes),
  more: false,
});

test.each<[string, Item, Item]>([
  ['Data.payload', data(wireLimits.dataBytesMax), data(wireLimits.dataBytesMax + 1)],
  [
    'a method',
    { kind: 'open', stream: 1, method: 'm'.repeat(64) },
    { kind: 'open', stream: 1, method: 'm'.repeat(65) },
  ],
  ['a code', reset('c'.repeat(64), ''), reset('c'.repeat(65), '')],
  ['a text', reset('', 't'.repeat(512)), reset('', 't'.repeat(513))],
  ['the software', login([], 0, 's'.repeat(128)), login([], 0, 's'.repeat(129))],
  ['an invitation', login([], 4096, ''), login([], 4097, '')],
  ['certificates', login(Array(8).fill(new Uint8Array(1)), 0, ''), login(Array(9).fill(new Uint8Array(1)), 0, '')],
  ['a certificate', login([new Uint8Array(8192)], 0, ''), login([new Uint8Array(8193)], 0, '')],
])('%s is read at its limit and refused past it', (_, atLimit, past) => {
  expect(decodeBatch(batchWith(atLimit)).items).toHaveLength(1);
  expect(() => decodeBatch(batchWith(past))).toThrow(DecodeError);
});

test('a batch holds as many items as its limit and no more', () => {
  const end: Item = { kind: 'end', stream: 1 };
  const items = Array<Item>(wireLimits.itemsPerBatchMax + 1).fill(end);
  const head = { ...emptyHead, first: 1 };
  expect(decodeBatch(encodeBatch(head, items, 1).slice()).items).toHaveLength(wireLimits.itemsPerBatchMax);
  expect(() => decodeBatch(encodeBatch(head, items).slice())).toThrow(DecodeError);
});

test('a packet longer than its limit is refused before it is read', () => {
  const session = new Uint8Array(16);
  const overhead = encodeSealedPacket(session, 1, new Uint8Array(200_000)).length - 200_000;
  const longest = encodeSealedPacket(session, 1, new Uint8Array(wireLimits.packetBytesMax - overhead));
  expect(decodePacket(longest).kind).toBe('sealed');
  const tooLong = encodeSealedPacket(session, 1, new Uint8Array(wireLimits.packetBytesMax - overhead + 1));
  expect(() => decodePacket(tooLong)).toThrow(DecodeError);
});

test('a small payload in a large batch does not keep the batch in memory', () => {
  const small = decodeBatch(encodeBatch({ ...emptyHead, first: 1 }, [data(10), data(16_000)]).slice());
  const payloads = small.items.map((each) => (each.kind === 'data' ? each.payload.buffer.byteLength : 0));
  expect(payloads[0]).toBe(10);
  expect(payloads[1]).toBeGreaterThan(16_000);
});

test('a field number of zero, a group, and a number past 2^53 are refused', () => {
  for (const input of [[0x00], [0x0b], [0x08, ...Array(7).fill(0xff), 0x1f], [0x08, ...Array(9).fill(0xff), 1]]) {
    expect(() => decodeBatch(Uint8Array.from(input))).toThrow(DecodeError);
  }
});

test('the length of a varint is what writing it takes', () => {
  fc.assert(
    fc.property(number, (value) => {
      const writer = new ProtoWriter();
      writer.uint(value);
      expect(writer.length).toBe(varintLength(value));
    }),
  );
});
