import type { WaitOptions } from '@pulsemesh/base';
import type { SealedRecord } from '@pulsemesh/store';
import type { ReadBody, RecordsBody } from '../market/messages.ts';
import type { RecordShelf } from '../market/offices.ts';
import { custodyLimits } from './custody-limits.ts';

/** What is served for one request. */
export interface ServedRead {
  readonly records: readonly SealedRecord[];
  readonly bytes: number;
  /** End of the span that was served, exclusive; less than was asked where there is too much for one answer. */
  readonly untilSeconds: number;
}

const hourSeconds = 3600;

/** Takes what was asked off the shelf, a while of recording time after the other, until there is enough for one answer. */
export async function takeOff(
  shelf: RecordShelf,
  subject: Uint8Array,
  read: Pick<ReadBody, 'vital' | 'fromSeconds' | 'untilSeconds'>,
  options: WaitOptions = {},
): Promise<ServedRead> {
  const records: SealedRecord[] = [];
  let bytes = 0;
  let at = read.fromSeconds;
  for (let step = hourSeconds; at < read.untilSeconds && bytes < custodyLimits.readBytesMax; ) {
    const until = Math.min(at + step, read.untilSeconds);
    const found = await shelf.read(subject, read.vital, { fromSeconds: at, untilSeconds: until }, options);
    const inside = found.filter(({ bucketSeconds }) => bucketSeconds >= at && bucketSeconds < until);
    const size = bytesOf(inside);
    records.push(...inside);
    bytes += size;
    at = until;
    // Where little is found, more time is asked for at once.
    if (size < custodyLimits.readBytesMax / 16) step = Math.min(step * 2, custodyLimits.shelfSecondsMax);
    else step = Math.max(hourSeconds, Math.floor(step / 2));
  }
  return { records, bytes, untilSeconds: at };
}

/** Pages of an answer, in order, at least one. */
export function pagesOf(readId: string, records: readonly SealedRecord[]): Omit<RecordsBody, 'receipt'>[] {
  const pages: RecordsBody['rows'][number][][] = [[]];
  let bytes = 0;
  for (const { kind, bucketSeconds, id, revision, sealed } of records) {
    const page = pages.at(-1) ?? [];
    const isFull = page.length >= custodyLimits.pageRowsMax || bytes + sealed.length > custodyLimits.pageBytesMax;
    if (isFull && page.length > 0) {
      pages.push([]);
      bytes = 0;
    }
    pages.at(-1)?.push([kind, bucketSeconds, id, revision, sealed]);
    bytes += sealed.length;
  }
  return pages.map((rows, page) => ({ readId, page, isLast: page === pages.length - 1, rows }));
}

function bytesOf(records: readonly SealedRecord[]): number {
  return records.reduce((sum, { sealed }) => sum + sealed.length, 0);
}
