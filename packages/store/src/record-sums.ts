import { type RecordKind, recordKinds } from './record.ts';

/** A count of nought for each kind. */
export function emptyCounts(): Record<RecordKind, number> {
  return {
    [recordKinds.reading]: 0,
    [recordKinds.window]: 0,
    [recordKinds.prediction]: 0,
    [recordKinds.alert]: 0,
  };
}

/** Xors `bytes` into `target`, both of one length. */
export function xorInto(target: Uint8Array, bytes: Uint8Array): void {
  for (let index = 0; index < target.length; index += 1) {
    target[index] = (target[index] as number) ^ (bytes[index] as number);
  }
}
