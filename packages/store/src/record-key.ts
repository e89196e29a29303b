import { StoreLimitError } from './errors.ts';
import type { RecordKind, ScanCursor, SealedRecord } from './record.ts';
import { checkKey } from './record-limits.ts';

/** The part of a record that names it. */
export type RecordKey = Pick<SealedRecord, 'subject' | 'kind' | 'bucketSeconds' | 'id'>;

const cursorBytes = 16 + 1 + 8 + 16;

/** A record's key as bytes that sort as keys do: subject, kind, bucket (big-endian), id. */
export function encodeCursor(key: RecordKey): ScanCursor {
  const bytes = new Uint8Array(cursorBytes);
  bytes.set(key.subject);
  const view = new DataView(bytes.buffer);
  view.setUint8(16, key.kind);
  view.setBigUint64(17, BigInt(key.bucketSeconds));
  bytes.set(key.id, 25);
  return bytes;
}

/** @throws {StoreLimitError} for bytes that {@link encodeCursor} did not make. */
export function decodeCursor(cursor: ScanCursor): RecordKey {
  if (cursor.length !== cursorBytes) throw new StoreLimitError('cursor');
  const view = new DataView(cursor.buffer, cursor.byteOffset, cursor.byteLength);
  const key = {
    subject: cursor.slice(0, 16),
    kind: view.getUint8(16) as RecordKind, // checked below
    bucketSeconds: Number(view.getBigUint64(17)),
    id: cursor.slice(25),
  };
  checkKey(key);
  return key;
}

/** 128 random bits in hex: the name of a store's life, from its making to the loss of its disk. */
export function epochText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
