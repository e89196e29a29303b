import { Condition } from '@pulsemesh/base';
import type { ProtocolName, SubjectId } from '@pulsemesh/network';
import { decodeReadings, encodeReadings } from '../../readings/codec.ts';
import type { UserId } from '../../readings/reading.ts';
import type { SubjectReadings } from '../../windows/open-windows.ts';
import { encodeFold, type FoldRecord, parseFold } from './fold.ts';

/** What aggregation peers serve to trusted peers. */
export const aggregationProtocol: ProtocolName = '/pulsemesh/aggregation/1';
/** The live view, served to trusted peers (gateways). */
export const feedProtocol: ProtocolName = '/pulsemesh/feed/1';

export const aggregationLimits = {
  /** Patients in one `take` or `replicate`. */
  subjectsPerBatchMax: 20_000,
  /** Windows in one `done`. */
  windowsPerDoneMax: 4_096,
  batchIdCharactersMax: 200,
  userIdCharactersMax: 128,
} as const;

/** What another peer handed over does not have the agreed shape; the same bytes never will. */
export class MalformedBatchError extends Condition {
  override readonly name = 'MalformedBatchError';
  constructor(what: string) {
    super('malformed-batch', `${what} does not have the agreed shape`, { facts: { what } });
  }
}

/** The body of `take` and `replicate`. */
export interface Batch {
  readonly batchId: string;
  readonly subjects: readonly SubjectReadings[];
}

/** One window that is dealt with: subject, start, the digest of the reading keys it was made of, and what was folded. */
export interface DoneWindow {
  readonly subjectId: SubjectId;
  readonly startSeconds: number;
  readonly keysDigest: string;
  /** The alert fold after it; null where this peer did not compute the window. */
  readonly fold: FoldRecord | null;
}

export function encodeBatch(batch: Batch): unknown {
  return {
    batchId: batch.batchId,
    subjects: batch.subjects.map((part) => [
      part.subjectId,
      part.userId,
      part.deviceKind,
      part.isRegistered,
      encodeReadings(part.readings),
    ]),
  };
}

/** @throws {MalformedBatchError}; {@link ReadingCodecError}: nothing of the batch is taken. */
export function parseBatch(value: unknown): Batch {
  const fields = asFields(value, 'batch');
  const batchId = fields['batchId'];
  if (typeof batchId !== 'string' || batchId === '' || batchId.length > aggregationLimits.batchIdCharactersMax) {
    throw new MalformedBatchError('batchId');
  }
  const subjects = fields['subjects'];
  if (!Array.isArray(subjects) || subjects.length > aggregationLimits.subjectsPerBatchMax) {
    throw new MalformedBatchError('subjects');
  }
  return { batchId, subjects: subjects.map(parseSubjectReadings) };
}

function parseSubjectReadings(value: unknown): SubjectReadings {
  if (!Array.isArray(value) || value.length !== 5) throw new MalformedBatchError('subject');
  const [subjectId, userId, deviceKind, isRegistered, encoded] = value as readonly unknown[];
  if (typeof userId !== 'string' || userId === '' || userId.length > aggregationLimits.userIdCharactersMax) {
    throw new MalformedBatchError('userId');
  }
  if (deviceKind !== 'live' && deviceKind !== 'replay') throw new MalformedBatchError('deviceKind');
  if (typeof isRegistered !== 'boolean') throw new MalformedBatchError('isRegistered');
  if (!(encoded instanceof Uint8Array)) throw new MalformedBatchError('readings');
  const user = userId as UserId; // the ingest that sent it has parsed it
  return {
    subjectId: parseSubjectId(subjectId),
    userId: user,
    deviceKind,
    isRegistered,
    readings: decodeReadings(encoded, user),
  };
}

export function encodeDone(windows: readonly DoneWindow[]): unknown {
  return {
    windows: windows.map(({ subjectId, startSeconds, keysDigest, fold }) => [
      subjectId,
      startSeconds,
      keysDigest,
      fold === null ? null : encodeFold(fold),
    ]),
  };
}

/** @throws {MalformedBatchError}; {@link MalformedRecordError} for a fold that is none. */
export function parseDone(value: unknown): readonly DoneWindow[] {
  const windows = asFields(value, 'done')['windows'];
  if (!Array.isArray(windows) || windows.length > aggregationLimits.windowsPerDoneMax) {
    throw new MalformedBatchError('windows');
  }
  return windows.map((row: unknown) => {
    if (!Array.isArray(row) || row.length !== 4) throw new MalformedBatchError('window');
    const [subjectId, startSeconds, keysDigest, fold] = row as readonly unknown[];
    if (typeof startSeconds !== 'number' || !Number.isSafeInteger(startSeconds)) throw new MalformedBatchError('start');
    if (typeof keysDigest !== 'string' || keysDigest.length > 64) throw new MalformedBatchError('keysDigest');
    return {
      subjectId: parseSubjectId(subjectId),
      startSeconds,
      keysDigest,
      fold: fold === null ? null : parseFold(fold),
    };
  });
}

export function encodeFoldsAsked(subjectIds: readonly SubjectId[]): unknown {
  return { subjects: subjectIds };
}

/** @throws {MalformedBatchError} */
export function parseFoldsAsked(value: unknown): readonly SubjectId[] {
  const subjects = asFields(value, 'folds')['subjects'];
  if (!Array.isArray(subjects) || subjects.length > aggregationLimits.windowsPerDoneMax) {
    throw new MalformedBatchError('subjects');
  }
  return subjects.map(parseSubjectId);
}

/** The folds in the order asked, null where nothing is known. */
export function encodeFolds(folds: readonly (FoldRecord | null)[]): unknown {
  return { folds: folds.map((fold) => (fold === null ? null : encodeFold(fold))) };
}

/** @throws {MalformedBatchError}; {@link MalformedRecordError} */
export function parseFolds(value: unknown, count: number): readonly (FoldRecord | null)[] {
  const folds = asFields(value, 'folds')['folds'];
  if (!Array.isArray(folds) || folds.length !== count) throw new MalformedBatchError('folds');
  return folds.map((fold) => (fold === null ? null : parseFold(fold)));
}

/** @throws {MalformedBatchError} */
export function parseSubjectId(value: unknown): SubjectId {
  if (typeof value !== 'string' || !/^[0-9a-f]{32}$/.test(value)) throw new MalformedBatchError('subjectId');
  return value as SubjectId; // checked in the line above
}

function asFields(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MalformedBatchError(what);
  return value as Readonly<Record<string, unknown>>; // an object that is no array: its fields stay unknown
}
