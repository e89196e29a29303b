import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { ReadingCodecError } from './errors.ts';
import { messageLimits } from './message.ts';
import type { Reading, UserId } from './reading.ts';

/** What encoded readings may be at most. */
export const codecLimits = {
  /** One reading: 64 intervals of nine bytes and the rest. */
  readingBytesMax: 1_024,
  batchReadingsMax: 65_536,
  batchBytesMax: 16 * 1024 * 1024,
} as const;

const version = 1;
type Row = readonly [
  tMs: number,
  heartRateBpm: number,
  rrMs: readonly number[],
  seq: number | null,
  confidence: number | null,
  isStamped: boolean,
];

/**
 * One reading as the plaintext of its record: deterministic CBOR `[1, tMs, heartRateBpm, rrMs, seq, confidence,
 * isStamped]`. The wearer's id is not in it, so that a record released to a researcher does not name one.
 */
export function encodeReading(reading: Reading): Uint8Array {
  return encodeCbor([version, ...rowOf(reading)]);
}

/**
 * The reading that {@link encodeReading} wrote, of the wearer `userId`.
 * @throws {ReadingCodecError}.
 */
export function decodeReading(bytes: Uint8Array, userId: UserId): Reading {
  const value = decode(bytes, codecLimits.readingBytesMax);
  if (!Array.isArray(value) || value.length !== 7 || value[0] !== version) throw new ReadingCodecError('version');
  return parseRow(value.slice(1), userId);
}

/**
 * Many readings of one wearer for the way between nodes: deterministic CBOR `[1, [row, …]]`, in the order given.
 * The wearer's id goes beside it.
 */
export function encodeReadings(readings: readonly Reading[]): Uint8Array {
  return encodeCbor([version, readings.map(rowOf)]);
}

/**
 * The readings that {@link encodeReadings} wrote, of the wearer `userId`.
 * @throws {ReadingCodecError} also past {@link codecLimits}.
 */
export function decodeReadings(bytes: Uint8Array, userId: UserId): readonly Reading[] {
  const value = decode(bytes, codecLimits.batchBytesMax);
  if (!Array.isArray(value) || value.length !== 2 || value[0] !== version) throw new ReadingCodecError('version');
  const rows: unknown = value[1];
  if (!Array.isArray(rows) || rows.length > codecLimits.batchReadingsMax) throw new ReadingCodecError('rows');
  return rows.map((row) => parseRow(row, userId));
}

function rowOf(reading: Reading): Row {
  const { tMs, heartRateBpm, rrMs, seq, confidence, isStamped } = reading;
  return [tMs, heartRateBpm, rrMs, seq, confidence, isStamped];
}

function decode(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) throw new ReadingCodecError('size');
  try {
    return decodeCbor(bytes, { bytesMax, depthMax: 4 });
  } catch {
    throw new ReadingCodecError('cbor');
  }
}

function parseRow(row: unknown, userId: UserId): Reading {
  if (!Array.isArray(row) || row.length !== 6) throw new ReadingCodecError('row');
  const [tMs, heartRateBpm, rrMs, seq, confidence, isStamped] = row as readonly unknown[];
  if (!isCount(tMs) || tMs > messageLimits.tMsMax) throw new ReadingCodecError('tMs');
  if (!isWithin(heartRateBpm, messageLimits.heartRateBpmMax)) throw new ReadingCodecError('heartRateBpm');
  if (!isIntervals(rrMs)) throw new ReadingCodecError('rrMs');
  if (seq !== null && !isCount(seq)) throw new ReadingCodecError('seq');
  if (confidence !== null && confidence !== 0 && !isWithin(confidence, 1)) throw new ReadingCodecError('confidence');
  if (typeof isStamped !== 'boolean') throw new ReadingCodecError('isStamped');
  return { userId, tMs, heartRateBpm, rrMs, seq, confidence, isStamped };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isWithin(value: unknown, max: number): value is number {
  return typeof value === 'number' && value > 0 && value <= max;
}

function isIntervals(value: unknown): value is readonly number[] {
  if (!Array.isArray(value) || value.length > messageLimits.rrCountMax) return false;
  return value.every((interval) => isWithin(interval, messageLimits.rrMsMax));
}
