import type { RpcMethod } from '@pulsemesh/network';
import type { RecordStore, SealedRecord } from '@pulsemesh/store';
import { parseBoolean, parseBytes, parseFields, parseInteger } from '../records/parse.ts';
import {
  bucketSecondsMax,
  parseAsked,
  parseKind,
  parseSubject,
  recordBytes,
  storageLimits,
  toRow,
} from '../records/storage-wire.ts';

/** Records in one answer to a question for the newest. */
const latestMax = 1000;
const cursorBytesMax = 256;

/**
 * The methods of `/pulsemesh/storage/1` that only read. `bytesMax` bounds each answer; what did not fit is
 * told by `isMore`, and the caller asks on from where the answer ended.
 */
export function storageReadMethods(store: RecordStore, bytesMax: number): Readonly<Record<string, RpcMethod>> {
  return {
    async query(body) {
      const fields = parseFields(body, 'query');
      const limit = parseInteger(fields['limit'], 'limit', 1, storageLimits.recordsMax);
      const records = await store.query({
        subject: parseSubject(fields['subject']),
        kind: parseKind(fields['kind']),
        fromSeconds: parseInteger(fields['fromSeconds'], 'fromSeconds', 0, bucketSecondsMax),
        untilSeconds: parseInteger(fields['untilSeconds'], 'untilSeconds', 0, bucketSecondsMax),
        limit,
        isReverse: parseBoolean(fields['isReverse'] ?? false, 'isReverse'),
      });
      return answer(records, limit, bytesMax);
    },

    async latest(body) {
      const fields = parseFields(body, 'latest');
      const limit = parseInteger(fields['limit'], 'limit', 1, latestMax);
      const records = await store.query({
        subject: parseSubject(fields['subject']),
        kind: parseKind(fields['kind']),
        fromSeconds: 0,
        untilSeconds: bucketSecondsMax,
        limit,
        isReverse: true,
      });
      return answer(records, limit, bytesMax);
    },

    async digests(body) {
      const asked = parseAsked(parseFields(body, 'digests')['asked']);
      const digests = await store.digests(asked);
      return { digests: digests.map((digest) => [digest.count, digest.idsXor]) };
    },

    async scan(body) {
      const fields = parseFields(body, 'scan');
      const after = fields['after'] == null ? null : parseBytes(fields['after'], 'cursor', { max: cursorBytesMax });
      // Small enough that even the longest records fit one answer: a cursor cannot point into a page.
      const most = Math.max(1, Math.floor(bytesMax / (storageLimits.sealedBytesMax + 64)));
      const limit = Math.min(parseInteger(fields['limit'], 'limit', 1, storageLimits.recordsMax), most);
      const { records, next } = await store.scan(after, limit);
      return { records: records.map(toRow), next };
    },

    async info() {
      const counts = await store.counts();
      return { epoch: store.epoch, counts: Object.entries(counts).map(([kind, count]) => [Number(kind), count]) };
    },

    // What other storage peers ask every few seconds: costs nothing, unlike counting.
    epoch: async () => ({ epoch: store.epoch }),
  };
}

function answer(records: readonly SealedRecord[], limit: number, bytesMax: number) {
  const rows = [];
  let bytes = 0;
  for (const record of records) {
    bytes += recordBytes(record);
    if (rows.length > 0 && bytes > bytesMax) return { records: rows, isMore: true };
    rows.push(toRow(record));
  }
  return { records: rows, isMore: records.length === limit };
}
