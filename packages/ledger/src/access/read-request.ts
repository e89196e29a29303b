import { verifySignature } from '@pulsemesh/crypto';
import { concatBytes, decodeCbor, ed25519KeyOf, encodeCbor, fromHex, type PeerId, toHex } from '@pulsemesh/wire';
import type { ReadBody, VitalKind } from '../market/messages.ts';
import { accessLimits } from './access-limits.ts';
import { bytesOf, bytesOfHex, countOf, hashOf, listOf, oneOf } from './fields.ts';

const label = 'pulsemesh/read/1';
const statementHead = new TextEncoder().encode(`${label}\0`);
const readIdBytes = 16;

const vitals: readonly VitalKind[] = ['readings', 'windows', 'predictions', 'alerts'];

/** What a reader asks for. */
export type ReadRequest = Omit<ReadBody, 'signature'>;

/** Signs a request to read; `sign` is of the peer that the grant's buyer is bound to. */
export function signReadRequest(request: ReadRequest, reader: { sign(message: Uint8Array): Uint8Array }): ReadBody {
  return { ...request, signature: reader.sign(concatBytes(statementHead, encodeFields(request))) };
}

/** A signed request as it is hashed into records, and kept in receipts. */
export function encodeReadRequest(body: ReadBody): Uint8Array {
  return encodeCbor([encodeFields(body), body.signature]);
}

/** @throws {DecodeError} for anything but what {@link encodeReadRequest} gives. The signature is not checked. */
export function decodeReadRequest(encoded: Uint8Array): ReadBody {
  const [bytes, signature] = listOf(decodeCbor(encoded, { bytesMax: accessLimits.requestBytesMax, depthMax: 1 }), 2);
  const body = bytes instanceof Uint8Array ? bytes : bytesOf(bytes, 0);
  const fields = listOf(decodeCbor(body, { bytesMax: accessLimits.requestBytesMax, depthMax: 1 }), 6);
  return {
    grantId: hashOf(fields[0]),
    readId: toHex(bytesOf(fields[1], readIdBytes)),
    vital: oneOf(fields[2], vitals),
    fromSeconds: countOf(fields[3]),
    untilSeconds: countOf(fields[4]),
    atMs: countOf(fields[5]),
    signature: bytesOf(signature, 64),
  };
}

/** True when `reader` signed exactly this. Never throws. */
export function isReadSignedBy(body: ReadBody, reader: PeerId): boolean {
  try {
    const key = ed25519KeyOf(reader);
    return key !== null && verifySignature(key, concatBytes(statementHead, encodeFields(body)), body.signature);
  } catch {
    return false; // no hex, no peer id: nobody's request
  }
}

function encodeFields({ grantId, readId, vital, fromSeconds, untilSeconds, atMs }: ReadRequest): Uint8Array {
  return encodeCbor([bytesOfHex(grantId, 32), fromHex(readId, readIdBytes), vital, fromSeconds, untilSeconds, atMs]);
}
