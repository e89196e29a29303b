import { assert } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import type { Hex } from '../offer/offer.ts';
import { accessLimits, saltBytes } from './access-limits.ts';
import type { AccessKind, AccessRecord } from './access-types.ts';
import { bytesOfHex, countOf, hashOf, hexOf, listOf, oneOf, orNull, peerOf, textOf } from './fields.ts';

const label = 'pulsemesh/access/1';

const kinds: readonly AccessKind[] = [
  'read',
  'release',
  'denied',
  'asked',
  'refused',
  'accepted',
  'revoked',
  'emergency',
];

/** 32 zero bytes: a record's request where nobody asked, and what precedes a log's first anchor. */
export const zeroHash: Hex = `0x${'0'.repeat(64)}`;

/** A record as it is hashed and signed: one spelling for each. */
export function encodeAccessRecord(record: AccessRecord): Uint8Array {
  const { kind, grantId, ordinal, reader, atMs, request, purpose, fromSeconds, untilSeconds, records, bytes, reason } =
    record;
  const hashes = [bytesOfHex(grantId, 32), bytesOfHex(request, 32)] as const;
  return encodeCbor([
    label,
    kind,
    hashes[0],
    ordinal,
    reader,
    atMs,
    hashes[1],
    purpose,
    fromSeconds,
    untilSeconds,
    records,
    bytes,
    reason,
  ]);
}

/** @throws {DecodeError} for anything but what {@link encodeAccessRecord} gives within the limits. */
export function decodeAccessRecord(encoded: Uint8Array): AccessRecord {
  const fields = listOf(decodeCbor(encoded, { bytesMax: accessLimits.recordBytesMax, depthMax: 1 }), 13);
  oneOf(fields[0], [label]);
  return {
    kind: oneOf(fields[1], kinds),
    grantId: hashOf(fields[2]),
    ordinal: countOf(fields[3]),
    reader: peerOf(fields[4]),
    atMs: countOf(fields[5]),
    request: hashOf(fields[6]),
    purpose: textOf(fields[7], accessLimits.purposeCharactersMax),
    fromSeconds: countOf(fields[8]),
    untilSeconds: countOf(fields[9]),
    records: countOf(fields[10]),
    bytes: countOf(fields[11]),
    reason: orNull(fields[12], (value) => textOf(value, accessLimits.reasonCharactersMax)),
  };
}

/**
 * What a custodian's log holds of a record: SHA-256 of salt and encoded record, 32 bytes. Without the salt it says nothing, not even to who
 * guesses the record.
 */
export function accessLeaf(record: AccessRecord, salt: Uint8Array): Uint8Array {
  assert(salt.length === saltBytes, 'a salt has 16 bytes');
  return sha256(concatBytes(salt, encodeAccessRecord(record)));
}

/** What a custodian signs of a record, apart from the log: that it wrote down this one, under this salt. */
export function accessStatement(record: AccessRecord, salt: Uint8Array): Uint8Array {
  return concatBytes(statementHead, salt, encodeAccessRecord(record));
}

const statementHead = new TextEncoder().encode('pulsemesh/access-receipt/1\0');

/** SHA-256 of a signed request, as records name it. */
export function requestHash(request: Uint8Array | null): Hex {
  return request === null ? zeroHash : hexOf(sha256(request));
}
