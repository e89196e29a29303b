import type { Random } from '@pulsemesh/base';
import type { KeyTree } from '@pulsemesh/crypto';
import { recordKinds, type SealedRecord } from '@pulsemesh/store';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import type { AlertEvent, AlertKind } from '../alerts/alert.ts';
import { decodeReading, encodeReading } from '../readings/codec.ts';
import { type Reading, readingKey, type UserId, windowStartSeconds } from '../readings/reading.ts';
import type { InputKind, Prediction, Window, WindowQuality } from '../windows/window.ts';
import {
  MalformedRecordError,
  parseArray,
  parseBoolean,
  parseBytes,
  parseFields,
  parseInteger,
  parseText,
  parseTuple,
  RecordLimitError,
} from './parse.ts';
import { bucketSecondsMax } from './storage-wire.ts';

/** What a window record says: which readings the window is made of, not the readings again. */
export interface StoredWindow {
  readonly startSeconds: number;
  /** The record's revision too: of two the one with more readings stays. */
  readonly readingCount: number;
  /** Bitwise xor of the 16-byte ids of its readings' records: equal sets, equal digests. */
  readonly idsXor: Uint8Array;
  readonly input: InputKind;
  readonly quality: WindowQuality;
}

/** What a prediction record says. */
export interface StoredPrediction extends Prediction {
  /** Number of readings of the window that was judged. */
  readonly revision: number;
  /** The alert engine after this window: plain CBOR values, opaque here, at most {@link alertStateBytesMax}. */
  readonly alertState: unknown;
}

/** Encoded length of the alert engine's state in a prediction record. */
export const alertStateBytesMax = 8 * 1024;
/** Encoded length of a window, prediction or alert event. */
const plaintextBytesMax = 16 * 1024;
const version = 1;
const inputKinds: readonly InputKind[] = ['rr', 'hr', 'wrist'];
const alertKinds: readonly AlertKind[] = ['irregular-rhythm'];
const timeMsMax = bucketSecondsMax * 1000;

/** What opens records: a patient's key tree, or whatever part of it somebody was given. */
export type RecordOpener = Pick<KeyTree, 'open'>;

/** The set of readings as a window record names it. */
export function digestReadings(tree: KeyTree, readings: readonly Reading[]): Uint8Array {
  const xor = new Uint8Array(16);
  for (const reading of readings) {
    const id = tree.recordId(recordKinds.reading, readingKey(reading));
    for (let index = 0; index < xor.length; index += 1) xor[index] = (xor[index] ?? 0) ^ (id[index] ?? 0);
  }
  return xor;
}

/** The window without its readings, as its record says it. */
export function describeWindow(tree: KeyTree, window: Window): StoredWindow {
  return {
    startSeconds: window.startSeconds,
    readingCount: window.readings.length,
    idsXor: digestReadings(tree, window.readings),
    input: window.input,
    quality: window.quality,
  };
}

/** The sealed record of a reading: one per {@link readingKey}, in the window that holds its time. */
export function readingRecord(tree: KeyTree, reading: Reading, random: Random): SealedRecord {
  const id = tree.recordId(recordKinds.reading, readingKey(reading));
  const bucketSeconds = windowStartSeconds(reading.tMs);
  return sealRecord(tree, recordKinds.reading, bucketSeconds, id, 0, encodeReading(reading), random);
}

/** The sealed record of a window: one per start, its revision the number of readings. */
export function windowRecord(tree: KeyTree, window: StoredWindow, random: Random): SealedRecord {
  const { missingSeconds, implausibleCount, isUsable } = window.quality;
  const plaintext = encodeCbor([
    version,
    window.startSeconds,
    window.readingCount,
    window.idsXor,
    inputKinds.indexOf(window.input),
    missingSeconds,
    implausibleCount,
    isUsable,
  ]);
  const id = tree.recordId(recordKinds.window, String(window.startSeconds));
  return sealRecord(tree, recordKinds.window, window.startSeconds, id, window.readingCount, plaintext, random);
}

/**
 * The sealed record of a prediction: one per window start, its revision the window's.
 * @throws {RecordLimitError} when the alert state is too long.
 */
export function predictionRecord(tree: KeyTree, prediction: StoredPrediction, random: Random): SealedRecord {
  const state = encodeCbor(prediction.alertState);
  if (state.length > alertStateBytesMax) throw new RecordLimitError('alert state bytes', alertStateBytesMax);
  const plaintext = encodeCbor([
    version,
    prediction.startSeconds,
    prediction.score,
    inputKinds.indexOf(prediction.input),
    prediction.modelId,
    prediction.revision,
    state,
  ]);
  const id = tree.recordId(recordKinds.prediction, String(prediction.startSeconds));
  const { startSeconds, revision } = prediction;
  return sealRecord(tree, recordKinds.prediction, startSeconds, id, revision, plaintext, random);
}

/**
 * The sealed record of an alert event: one per alert and type, in the bucket of the episode's start. A `notified`
 * event with more recipients replaces one with fewer; of the other types the first stays.
 */
export function alertRecord(
  tree: KeyTree,
  event: AlertEvent,
  episodeStartSeconds: number,
  random: Random,
): SealedRecord {
  const plaintext = encodeCbor([version, ...alertFields(event)]);
  const id = tree.recordId(recordKinds.alert, `${event.alertId}:${event.type}`);
  const revision = event.type === 'notified' ? event.recipientCount : 0;
  return sealRecord(tree, recordKinds.alert, episodeStartSeconds, id, revision, plaintext, random);
}

/** @throws {SealBrokenError}; {@link ReadingCodecError} */
export function openReading(tree: RecordOpener, record: SealedRecord, userId: UserId): Reading {
  return decodeReading(openPlaintext(tree, record), userId);
}

/** @throws {SealBrokenError}; {@link MalformedRecordError} */
export function openWindow(tree: RecordOpener, record: SealedRecord): StoredWindow {
  const fields = parseTuple(openRecord(tree, record), 'window', 8);
  return {
    startSeconds: parseInteger(fields[1], 'window start', 0, bucketSecondsMax),
    readingCount: parseInteger(fields[2], 'window reading count', 0, 2 ** 31 - 1),
    idsXor: parseBytes(fields[3], 'window ids', 16),
    input: parseChoice(fields[4], 'window input', inputKinds),
    quality: {
      missingSeconds: parseInteger(fields[5], 'missing seconds', 0, 10),
      implausibleCount: parseInteger(fields[6], 'implausible count', 0, 2 ** 31 - 1),
      isUsable: parseBoolean(fields[7], 'window usable'),
    },
  };
}

/** @throws {SealBrokenError}; {@link MalformedRecordError} */
export function openPrediction(tree: RecordOpener, record: SealedRecord): StoredPrediction {
  const fields = parseTuple(openRecord(tree, record), 'prediction', 7);
  return {
    startSeconds: parseInteger(fields[1], 'prediction start', 0, bucketSecondsMax),
    score: parseScore(fields[2]),
    input: parseChoice(fields[3], 'prediction input', inputKinds),
    modelId: parseText(fields[4], 'model id', 64),
    revision: parseInteger(fields[5], 'prediction revision', 0, 2 ** 31 - 1),
    alertState: decodeCbor(parseBytes(fields[6], 'alert state', { max: alertStateBytesMax }), { depthMax: 8 }),
  };
}

/** @throws {SealBrokenError}; {@link MalformedRecordError} */
export function openAlertEvent(tree: RecordOpener, record: SealedRecord): AlertEvent {
  const value = openRecord(tree, record);
  return parseAlertEvent(parseArray(value, 'alert event', 8).slice(1));
}

/**
 * An event as an object, the form it has between aggregation and notification.
 * @throws {MalformedRecordError}
 */
export function parseAlertEventObject(value: unknown): AlertEvent {
  const event = parseFields(value, 'alert event');
  const type = event['type'];
  const alertId = event['alertId'];
  switch (type) {
    case 'raised':
      return parseAlertEvent([type, alertId, event['kind'], event['episodeStartSeconds'], event['atSeconds']]);
    case 'resolved':
      return parseAlertEvent([type, alertId, event['kind'], event['atSeconds']]);
    case 'notified':
      return parseAlertEvent([type, alertId, event['recipientCount'], event['atMs']]);
    case 'acknowledged':
      return parseAlertEvent([type, alertId, event['by'], event['atMs']]);
    default:
      throw new MalformedRecordError('alert event type');
  }
}

/** The fields of an event for the wire and for records, in the order {@link parseAlertEvent} reads. */
export function alertFields(event: AlertEvent): readonly (string | number)[] {
  switch (event.type) {
    case 'raised':
      return [event.type, event.alertId, event.kind, event.episodeStartSeconds, event.atSeconds];
    case 'resolved':
      return [event.type, event.alertId, event.kind, event.atSeconds];
    case 'notified':
      return [event.type, event.alertId, event.recipientCount, event.atMs];
    case 'acknowledged':
      return [event.type, event.alertId, event.by, event.atMs];
  }
}

/** @throws {MalformedRecordError} */
export function parseAlertEvent(value: unknown): AlertEvent {
  const [type, id, ...rest] = parseArray(value, 'alert event', 8);
  const alertId = parseText(id, 'alert id', 32);
  if (!/^[0-9a-f]{32}$/.test(alertId)) throw new MalformedRecordError('alert id');
  switch (type) {
    case 'raised': {
      const [kind, start, at] = parseTuple(rest, 'raised', 3);
      const episodeStartSeconds = parseInteger(start, 'episode start', 0, bucketSecondsMax);
      return { type, alertId, kind: parseAlertKind(kind), episodeStartSeconds, atSeconds: parseSeconds(at) };
    }
    case 'resolved': {
      const [kind, at] = parseTuple(rest, 'resolved', 2);
      return { type, alertId, kind: parseAlertKind(kind), atSeconds: parseSeconds(at) };
    }
    case 'notified': {
      const [count, at] = parseTuple(rest, 'notified', 2);
      const recipientCount = parseInteger(count, 'recipient count', 0, 1000);
      return { type, alertId, recipientCount, atMs: parseInteger(at, 'notified at', 0, timeMsMax) };
    }
    case 'acknowledged': {
      const [by, at] = parseTuple(rest, 'acknowledged', 2);
      return { type, alertId, by: parseText(by, 'acknowledged by', 200), atMs: parseInteger(at, 'at', 0, timeMsMax) };
    }
    default:
      throw new MalformedRecordError('alert event type');
  }
}

/** The plaintext of a record, decoded. @throws {SealBrokenError}; {@link MalformedRecordError} */
function openRecord(tree: RecordOpener, record: SealedRecord): unknown {
  const value = decodeCbor(openPlaintext(tree, record), { bytesMax: plaintextBytesMax, depthMax: 4 });
  if (!Array.isArray(value) || value[0] !== version) throw new MalformedRecordError('record version');
  return value;
}

/** What a record's owner sealed. @throws {SealBrokenError} when it was altered, moved or sealed under another key. */
export function openPlaintext(tree: RecordOpener, record: SealedRecord): Uint8Array {
  const { kind, bucketSeconds, id, revision } = record;
  return tree.open({ kind, bucketSeconds, id, revision }, record.sealed);
}

/** Seals a plaintext under its place, so that it cannot be moved to another. */
export function sealRecord(
  tree: KeyTree,
  kind: SealedRecord['kind'],
  bucketSeconds: number,
  id: Uint8Array,
  revision: number,
  plaintext: Uint8Array,
  random: Random,
): SealedRecord {
  const sealed = tree.seal({ kind, bucketSeconds, id, revision }, plaintext, random);
  return { subject: tree.subject, kind, bucketSeconds, id, revision, sealed };
}

function parseSeconds(value: unknown): number {
  return parseInteger(value, 'event time', 0, bucketSecondsMax);
}

function parseAlertKind(value: unknown): AlertKind {
  const kind = alertKinds.find((known) => known === value);
  if (kind === undefined) throw new MalformedRecordError('alert kind');
  return kind;
}

function parseChoice<T>(value: unknown, what: string, choices: readonly T[]): T {
  const choice = choices[parseInteger(value, what, 0, choices.length - 1)];
  if (choice === undefined) throw new MalformedRecordError(what);
  return choice;
}

function parseScore(value: unknown): number | null {
  if (value === null) return null;
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw new MalformedRecordError('score');
  return value;
}
