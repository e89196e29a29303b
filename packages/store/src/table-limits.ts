import { StoreLimitError } from './errors.ts';
import type { TableChange } from './table.ts';

/** Limits of every {@link TableStore}; past them `commit` rejects with a {@link StoreLimitError}. */
export const tableLimits = {
  /** 1 … this. */
  keyBytesMax: 256,
  valueBytesMax: 16 * 1024 * 1024,
  tablesMax: 32,
  /** Keys and values of all commits that wait at one time; past it {@link StoreBusyError}. */
  waitingBytesMax: 256 * 1024 * 1024,
} as const;

/** Bytes of a commit's keys and values. @throws {StoreLimitError} */
export function checkedChangeBytes(changes: readonly TableChange[]): number {
  let bytes = 0;
  for (const change of changes) {
    if (change.key.length === 0 || change.key.length > tableLimits.keyBytesMax)
      throw new StoreLimitError('keyBytesMax');
    bytes += change.key.length;
    if (change.kind === 'put') {
      if (change.value.length > tableLimits.valueBytesMax) throw new StoreLimitError('valueBytesMax');
      bytes += change.value.length;
    }
  }
  return bytes;
}

/** @throws {StoreLimitError} for a name that is not 1 … 64 of `A-Z a-z 0-9 . _ : / -`, a letter first, or one table too many. */
export function checkNewTable(name: string, tableCount: number): void {
  if (!/^[A-Za-z][\w.:/-]{0,63}$/.test(name)) throw new StoreLimitError('table name');
  if (tableCount >= tableLimits.tablesMax) throw new StoreLimitError('tablesMax');
}
