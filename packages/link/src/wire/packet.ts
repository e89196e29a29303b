import { DecodeError } from '@pulsemesh/wire';
import { createRoomyPacket } from '../packet-memory.ts';
import { wireLimits } from './limits.ts';
import { ProtoReader } from './proto-reader.ts';
import { ProtoWriter, varintLength } from './proto-writer.ts';

/** A `Packet` of `link.proto`. The byte fields are views of what was decoded. */
export type Packet =
  | { readonly kind: 'hello'; readonly bytes: Uint8Array; readonly hello: Hello }
  | { readonly kind: 'welcome'; readonly core: Uint8Array; readonly signature: Uint8Array }
  | { readonly kind: 'sealed'; readonly session: Uint8Array; readonly number: number; readonly box: Uint8Array }
  | { readonly kind: 'refusal'; readonly code: string; readonly text: string; readonly session: Uint8Array };

export interface Hello {
  readonly version: number;
  /** X25519 public key, 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
}

export interface WelcomeCore {
  readonly version: number;
  /** 16 bytes. */
  readonly session: Uint8Array;
  /** X25519 public key, 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** Ed25519 public key, 32 bytes. */
  readonly server: Uint8Array;
  readonly timeMs: number;
  /** SHA-256 of the certificate's DER; empty: plaintext. */
  readonly certificate: Uint8Array;
  readonly packetBytesMax: number;
  readonly streamsMax: number;
  readonly graceMs: number;
}

const none: Uint8Array = new Uint8Array(0);
const writer = new ProtoWriter();

/**
 * Reads one packet.
 * @throws {DecodeError} for anything that is not a packet within `wireLimits`.
 */
export function decodePacket(bytes: Uint8Array): Packet {
  if (bytes.length > wireLimits.packetBytesMax) throw new DecodeError('a packet that is too long');
  const reader = new ProtoReader(bytes);
  const end = reader.end;
  let packet: Packet | undefined;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag !== 0x0a && tag !== 0x12 && tag !== 0x1a && tag !== 0x22) {
      reader.skip(tag);
      continue;
    }
    const length = reader.length(end - reader.position);
    const start = reader.position;
    reader.end = start + length;
    packet = readBody(reader, tag, bytes.subarray(start, start + length));
    reader.end = end;
  }
  if (packet === undefined) throw new DecodeError('a packet without a body');
  return packet;
}

function readBody(reader: ProtoReader, tag: number, bytes: Uint8Array): Packet {
  switch (tag) {
    case 0x1a:
      return readSealed(reader);
    case 0x0a:
      return { kind: 'hello', bytes, hello: readHello(reader) };
    case 0x12:
      return readWelcome(reader);
    default:
      return readRefusal(reader);
  }
}

function readSealed(reader: ProtoReader): Packet {
  let session = none;
  let number = 0;
  let box = none;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) session = reader.bytes(16);
    else if (tag === 0x11) number = reader.fixed64();
    else if (tag === 0x1a) box = reader.bytes(wireLimits.packetBytesMax);
    else reader.skip(tag);
  }
  if (session.length !== 16) throw new DecodeError('a session of another length');
  return { kind: 'sealed', session, number, box };
}

function readHello(reader: ProtoReader): Hello {
  let version = 0;
  let ephemeral = none;
  let nonce = none;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x08) version = reader.uint32();
    else if (tag === 0x12) ephemeral = reader.bytes(32);
    else if (tag === 0x1a) nonce = reader.bytes(32);
    else reader.skip(tag);
  }
  if (ephemeral.length !== 32 || nonce.length !== 32) throw new DecodeError('a key or nonce of another length');
  return { version, ephemeral, nonce };
}

function readWelcome(reader: ProtoReader): Packet {
  let core = none;
  let signature = none;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) core = reader.bytes(wireLimits.welcomeCoreBytesMax);
    else if (tag === 0x12) signature = reader.bytes(64);
    else reader.skip(tag);
  }
  return { kind: 'welcome', core, signature };
}

function readRefusal(reader: ProtoReader): Packet {
  let code = '';
  let text = '';
  let session = none;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    if (tag === 0x0a) code = reader.string(wireLimits.codeBytesMax);
    else if (tag === 0x12) text = reader.string(wireLimits.textBytesMax);
    else if (tag === 0x1a) session = reader.bytes(16);
    else reader.skip(tag);
  }
  return { kind: 'refusal', code, text, session };
}

/**
 * Reads the core of a welcome; its signature is checked over the bytes before.
 * @throws {DecodeError}
 */
export function decodeWelcomeCore(bytes: Uint8Array): WelcomeCore {
  if (bytes.length > wireLimits.welcomeCoreBytesMax) throw new DecodeError('a welcome that is too long');
  const reader = new ProtoReader(bytes);
  const blobs: Uint8Array[] = [];
  const numbers: number[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    const field = tag >>> 3;
    if (tag === 0x12) blobs[field] = reader.bytes(16);
    else if (tag === 0x1a || tag === 0x22 || tag === 0x32) blobs[field] = reader.bytes(32);
    else if (tag === 0x29) numbers[field] = reader.fixed64();
    else if (tag === 0x08 || tag === 0x38 || tag === 0x40 || tag === 0x48) numbers[field] = reader.uint32();
    else reader.skip(tag);
  }
  const certificate = blobs[6] ?? none;
  if (certificate.length !== 0 && certificate.length !== 32) throw new DecodeError('a hash of another length');
  return {
    version: numbers[1] ?? 0,
    session: exactly(16, blobs[2]),
    ephemeral: exactly(32, blobs[3]),
    server: exactly(32, blobs[4]),
    timeMs: numbers[5] ?? 0,
    certificate,
    packetBytesMax: numbers[7] ?? 0,
    streamsMax: numbers[8] ?? 0,
    graceMs: numbers[9] ?? 0,
  };
}

function exactly(length: number, bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined || bytes.length !== length) throw new DecodeError('a welcome with a field missing');
  return bytes.slice();
}

/** The bytes of a `Hello`; they are hashed as they are. */
export function encodeHello(hello: Hello): Uint8Array {
  writer.reset();
  writer.uintField(1, hello.version);
  writer.bytesField(2, hello.ephemeral);
  writer.bytesField(3, hello.nonce);
  return writer.copy();
}

/** The bytes of a `WelcomeCore`; they are signed as they are. */
export function encodeWelcomeCore(core: WelcomeCore): Uint8Array {
  writer.reset();
  writer.uintField(1, core.version);
  writer.bytesField(2, core.session);
  writer.bytesField(3, core.ephemeral);
  writer.bytesField(4, core.server);
  writer.byte(0x29);
  writer.fixed64(core.timeMs);
  writer.bytesField(6, core.certificate);
  writer.uintField(7, core.packetBytesMax);
  writer.uintField(8, core.streamsMax);
  writer.uintField(9, core.graceMs);
  return writer.copy();
}

/** A packet around the bytes of a hello. */
export function encodeHelloPacket(hello: Uint8Array): Uint8Array {
  writer.reset();
  writer.element(1, hello);
  return writer.copy();
}

export function encodeWelcomePacket(core: Uint8Array, signature: Uint8Array): Uint8Array {
  writer.reset();
  writer.element(1, core);
  writer.bytesField(2, signature);
  const welcome = writer.copy();
  writer.reset();
  writer.element(2, welcome);
  return writer.copy();
}

export function encodeRefusalPacket(code: string, text: string, session: Uint8Array = none): Uint8Array {
  writer.reset();
  writer.stringField(1, code);
  writer.stringField(2, text);
  writer.bytesField(3, session);
  const refusal = writer.copy();
  writer.reset();
  writer.element(4, refusal);
  return writer.copy();
}

/**
 * A packet for a box of `boxBytes`, with all but the box written, which is to be written at `boxAt`: sealing writes it there, so
 * that nothing is copied twice; nor by the carrier, which finds room for its header before it. `session` is 16 bytes long, `number` below 2^53.
 */
export function createSealedPacket(
  session: Uint8Array,
  number: number,
  boxBytes: number,
): { readonly packet: Uint8Array; readonly boxAt: number } {
  const sealedBytes = sealedHeadBytes + varintLength(boxBytes) + boxBytes;
  const packet = createRoomyPacket(1 + varintLength(sealedBytes) + sealedBytes);
  packet[0] = 0x1a;
  let position = writeVarint(packet, 1, sealedBytes);
  packet[position] = 0x0a;
  packet[position + 1] = 16;
  packet.set(session, position + 2);
  position += 18;
  packet[position] = 0x11;
  let low = number % 2 ** 32;
  let high = Math.floor(number / 2 ** 32);
  for (let index = 1; index <= 4; index += 1) {
    packet[position + index] = low & 0xff;
    packet[position + 4 + index] = high & 0xff;
    low >>>= 8;
    high >>>= 8;
  }
  packet[position + 9] = 0x1a;
  return { packet, boxAt: writeVarint(packet, position + 10, boxBytes) };
}

/** A packet around sealed bytes. `session` is 16 bytes long, `number` below 2^53. */
export function encodeSealedPacket(session: Uint8Array, number: number, box: Uint8Array): Uint8Array {
  const { packet, boxAt } = createSealedPacket(session, number, box.length);
  packet.set(box, boxAt);
  return packet;
}

/** Session and number with their tags, and the tag of the box. */
const sealedHeadBytes = 18 + 9 + 1;

/** Writes a varint below 2^31 at `position`; answers where it ends. */
function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = value;
  while (rest > 0x7f) {
    bytes[at] = (rest & 0x7f) | 0x80;
    at += 1;
    rest >>>= 7;
  }
  bytes[at] = rest;
  return at + 1;
}
