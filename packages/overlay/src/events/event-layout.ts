import { concatBytes } from '@pulsemesh/wire';

/** Where the parts of an event lie in its bytes: CBOR of [1, route, class, published-at, sealed]. */
export interface EventLayout {
  /** 16 bytes. */
  readonly route: Uint8Array;
  readonly classCode: number;
  /** Unix milliseconds. */
  readonly publishedAtMs: number;
  /** A view of the bytes. */
  readonly sealed: Uint8Array;
  /** Where the head ends and the sealed part begins. */
  readonly headEnd: number;
}

const routeBytes = 16;
const headStart = [0x85, 0x01, 0x40 + routeBytes]; // an array of five, its version, 16 bytes
const routeEnd = headStart.length + routeBytes;

/**
 * Finds the parts of an event; null for bytes that are none, or not in the one deterministic form (RFC 8949 §4.2.1). Done by
 * hand because every copy of every event passes here, and there is but one form.
 */
export function layoutOfEvent(bytes: Uint8Array): EventLayout | null {
  if (bytes.length < routeEnd || headStart.some((byte, at) => bytes[at] !== byte)) return null;
  const [unsigned, byteString] = [0, 2]; // major types
  const classCode = argumentAt(bytes, routeEnd, unsigned);
  if (classCode === null) return null;
  const timeAt = routeEnd + headLength(classCode);
  const publishedAtMs = argumentAt(bytes, timeAt, unsigned);
  if (publishedAtMs === null) return null;
  const headEnd = timeAt + headLength(publishedAtMs);
  const sealedBytes = argumentAt(bytes, headEnd, byteString);
  if (sealedBytes === null) return null;
  const sealedAt = headEnd + headLength(sealedBytes);
  if (bytes.length !== sealedAt + sealedBytes) return null;
  const route = bytes.slice(headStart.length, routeEnd);
  return { route, classCode, publishedAtMs, sealed: bytes.subarray(sealedAt), headEnd };
}

/** What the seal is bound to: CBOR of [1, route, class, published-at], which is the event's own beginning as an array of four. */
export function headBytesOf(bytes: Uint8Array, { headEnd }: EventLayout): Uint8Array {
  return concatBytes(Uint8Array.of(0x84), bytes.subarray(1, headEnd));
}

/** The argument of the data item of a major type at `at` (RFC 8949 §3), a safe integer in its shortest form; else null. */
function argumentAt(bytes: Uint8Array, at: number, majorType: number): number | null {
  const first = bytes[at];
  if (first === undefined || first >> 5 !== majorType) return null;
  const information = first & 0x1f;
  if (information < 24) return information;
  if (information > 27) return null;
  const length = 1 << (information - 24);
  if (at + 1 + length > bytes.length) return null;
  let value = 0;
  for (let index = 1; index <= length; index += 1) value = value * 256 + (bytes[at + index] as number); // within
  return Number.isSafeInteger(value) && headLength(value) === 1 + length ? value : null;
}

/** Bytes of the head of an item with this argument. */
function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 2 ** 8) return 2;
  if (argument < 2 ** 16) return 3;
  return argument < 2 ** 32 ? 5 : 9;
}
