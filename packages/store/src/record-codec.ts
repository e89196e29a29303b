import type { RecordKind, SealedRecord } from './record.ts';

// A record between two threads: subject 16, kind 1, bucket 8 (double), id 16, revision 4, length 4, sealed.
const headBytes = 49;

/** Records in one buffer of their own, to be transferred to another thread instead of copied one by one. */
export function packRecords(groups: readonly (readonly SealedRecord[])[]): ArrayBuffer {
  let length = 0;
  for (const records of groups) for (const record of records) length += headBytes + record.sealed.length;
  const packed = new Uint8Array(length);
  const view = new DataView(packed.buffer);
  let offset = 0;
  for (const records of groups) {
    for (const { subject, kind, bucketSeconds, id, revision, sealed } of records) {
      packed.set(subject, offset);
      view.setUint8(offset + 16, kind);
      view.setFloat64(offset + 17, bucketSeconds);
      packed.set(id, offset + 25);
      view.setUint32(offset + 41, revision);
      view.setUint32(offset + 45, sealed.length);
      packed.set(sealed, offset + headBytes);
      offset += headBytes + sealed.length;
    }
  }
  return packed.buffer;
}

/** The records of {@link packRecords}, as views of the buffer. */
export function* unpackRecords(buffer: ArrayBuffer): Generator<SealedRecord> {
  const packed = new Uint8Array(buffer);
  const view = new DataView(buffer);
  let offset = 0;
  while (offset < packed.length) {
    const end = offset + headBytes + view.getUint32(offset + 45);
    yield {
      subject: packed.subarray(offset, offset + 16),
      kind: view.getUint8(offset + 16) as RecordKind, // the packer's records are checked
      bucketSeconds: view.getFloat64(offset + 17),
      id: packed.subarray(offset + 25, offset + 41),
      revision: view.getUint32(offset + 41),
      sealed: packed.subarray(offset + headBytes, end),
    };
    offset = end;
  }
}
