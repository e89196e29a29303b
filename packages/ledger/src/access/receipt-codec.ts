import { DecodeError, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { accessLimits, saltBytes } from './access-limits.ts';
import type { AccessReceipt } from './access-types.ts';
import { bytesOf, countOf, itemsOf, listOf, oneOf, orNull, someBytesOf } from './fields.ts';
import { decodeAccessRecord, encodeAccessRecord } from './record-codec.ts';

const label = 'pulsemesh/access-receipt/1';

/** A receipt as it travels and is kept. */
export function encodeAccessReceipt(receipt: AccessReceipt): Uint8Array {
  const { record, salt, index, path, checkpoint, request, signature } = receipt;
  return encodeCbor([label, encodeAccessRecord(record), salt, index, path, checkpoint, request, signature]);
}

/** Nothing of it is verified but its form. @throws {DecodeError} for another form, or past the limits. */
export function decodeAccessReceipt(encoded: Uint8Array): AccessReceipt {
  const fields = listOf(decodeCbor(encoded, { bytesMax: accessLimits.receiptBytesMax, depthMax: 2 }), 8);
  oneOf(fields[0], [label]);
  if (!(fields[1] instanceof Uint8Array)) throw new DecodeError('an access record');
  return {
    record: decodeAccessRecord(fields[1]),
    salt: bytesOf(fields[2], saltBytes),
    index: countOf(fields[3]),
    path: itemsOf(fields[4], accessLimits.pathHashesMax, (hash) => bytesOf(hash, 32)),
    checkpoint: someBytesOf(fields[5], accessLimits.checkpointBytesMax),
    request: orNull(fields[6], (bytes) => someBytesOf(bytes, accessLimits.requestBytesMax)),
    signature: bytesOf(fields[7], 64),
  };
}
