import { DecodeError, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { PairStateError } from './errors.ts';
import { type Chain, createHeaderKey } from './pair-keys.ts';
import type { PairState } from './pair-ratchet.ts';

const version = 1;
const keyBytes = 32;
const idBytes = 16;
const countMax = 2 ** 32;
/** Of a kept state: more than any limit of skipped keys gives. */
const stateBytesMax = 4 * 1024 * 1024;

/** The state as deterministic CBOR. Secret: it is kept sealed. */
export function encodePairState(state: PairState): Uint8Array {
  const { own, send, receive } = state;
  return encodeCbor([
    version,
    state.id,
    state.root,
    own === null ? null : [own.privateKey, own.publicKey],
    state.otherPublic,
    send === null ? null : encodeChain(send),
    receive === null ? null : encodeChain(receive),
    state.nextSend.key,
    state.nextReceive.key,
    state.previousSent,
    state.receivedSinceSent,
    state.skipped.map(({ header, keys }) => [header.key, [...keys].flat()]),
  ]);
}

/**
 * The state in bytes that {@link encodePairState} gave.
 * @throws {PairStateError}
 */
export function parsePairState(bytes: Uint8Array): PairState {
  const fields = listOf(decode(bytes), 12);
  if (fields[0] !== version) throw new PairStateError();
  const [, id, root, own, otherPublic, send, receive, nextSend, nextReceive, previousSent, received, skipped] = fields;
  return {
    id: bytesOf(id, idBytes),
    root: bytesOf(root, keyBytes),
    own: own === null ? null : parsePair(own),
    otherPublic: otherPublic === null ? null : bytesOf(otherPublic, keyBytes),
    send: send === null ? null : parseChain(send),
    receive: receive === null ? null : parseChain(receive),
    nextSend: createHeaderKey(bytesOf(nextSend, keyBytes)),
    nextReceive: createHeaderKey(bytesOf(nextReceive, keyBytes)),
    previousSent: countOf(previousSent),
    receivedSinceSent: countOf(received),
    skipped: listOf(skipped).map(parseSkipped),
  };
}

function encodeChain({ key, header, number }: Chain) {
  return [key, header.key, number];
}

function parseChain(value: unknown): Chain {
  const [key, header, number] = listOf(value, 3);
  return { key: bytesOf(key, keyBytes), header: createHeaderKey(bytesOf(header, keyBytes)), number: countOf(number) };
}

function parsePair(value: unknown) {
  const [privateKey, publicKey] = listOf(value, 2);
  return { privateKey: bytesOf(privateKey, keyBytes), publicKey: bytesOf(publicKey, keyBytes) };
}

function parseSkipped(value: unknown) {
  const [header, flat] = listOf(value, 2);
  const items = listOf(flat);
  if (items.length % 2 !== 0) throw new PairStateError();
  const keys = new Map<number, Uint8Array>();
  for (let index = 0; index < items.length; index += 2) {
    keys.set(countOf(items[index]), bytesOf(items[index + 1], keyBytes));
  }
  return { header: createHeaderKey(bytesOf(header, keyBytes)), keys };
}

function decode(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes, { bytesMax: stateBytesMax, depthMax: 4 });
  } catch (error) {
    if (error instanceof DecodeError) throw new PairStateError({ cause: error });
    throw error;
  }
}

function listOf(value: unknown, length?: number): readonly unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw new PairStateError();
  return value;
}

function bytesOf(value: unknown, length: number): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) throw new PairStateError();
  return value;
}

function countOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= countMax) {
    throw new PairStateError();
  }
  return value;
}
