import { Condition } from '@pulsemesh/base';
import type { ProtocolName } from '@pulsemesh/network';
import { messageLimits } from '../../readings/message.ts';
import type { Reading, UserId } from '../../readings/reading.ts';
import type { InputKind, Prediction, Window } from '../../windows/window.ts';

/** What prediction peers serve to trusted peers. */
export const predictionProtocol: ProtocolName = '/pulsemesh/prediction/1';

export const predictionLimits = {
  windowsPerCallMax: 1_024,
  /** A device that says more in ten seconds is judged by the first of it. */
  readingsPerWindowMax: 1_000,
  /** Encoded windows in one call, roughly: what fits a frame with room to spare. */
  bytesPerCallMax: 1024 * 1024,
} as const;

/** What was asked or answered does not have the agreed shape; the same bytes never will. */
export class MalformedPredictionError extends Condition {
  override readonly name = 'MalformedPredictionError';
  constructor(what: string) {
    super('malformed-prediction', `${what} does not have the agreed shape`, { facts: { what } });
  }
}

const inputs: readonly InputKind[] = ['rr', 'hr', 'wrist'];

/**
 * A window as a prediction peer gets it: values without any name. `[startSeconds, input, missingSeconds,
 * implausibleCount, isUsable, [[millisecondsFromStart, heartRateBpm, rrMs], …]]`. Of a window of more than
 * `readingsPerWindowMax` readings it gets the first ones.
 */
export function encodeWindowForPrediction(window: Window): unknown {
  const { startSeconds, input, quality, readings } = window;
  return [
    startSeconds,
    input,
    quality.missingSeconds,
    quality.implausibleCount,
    quality.isUsable,
    readings
      .slice(0, predictionLimits.readingsPerWindowMax)
      .map((reading) => [reading.tMs - startSeconds * 1000, reading.heartRateBpm, reading.rrMs]),
  ];
}

/** Encoded length of a window, at most. */
function predictionBytes(window: Window): number {
  let bytes = 64;
  for (const { rrMs } of window.readings.slice(0, predictionLimits.readingsPerWindowMax)) bytes += 16 + 9 * rrMs.length;
  return bytes;
}

/** The windows of a `predict`. @throws {MalformedPredictionError} */
export function parsePredictBody(value: unknown): readonly Window[] {
  const windows = fieldsOf(value)['windows'];
  if (!Array.isArray(windows) || windows.length > predictionLimits.windowsPerCallMax) {
    throw new MalformedPredictionError('windows');
  }
  return windows.map(parseWindow);
}

function parseWindow(value: unknown): Window {
  const [start, input, missing, implausible, isUsable, rows] = tuple(value, 6, 'window');
  const startSeconds = integer(start, 0, 2 ** 34, 'startSeconds');
  if (!Array.isArray(rows) || rows.length > predictionLimits.readingsPerWindowMax) {
    throw new MalformedPredictionError('readings');
  }
  if (typeof isUsable !== 'boolean') throw new MalformedPredictionError('isUsable');
  return {
    startSeconds,
    input: parseInput(input),
    quality: {
      missingSeconds: integer(missing, 0, 10, 'missingSeconds'),
      implausibleCount: integer(implausible, 0, 2 ** 31, 'implausibleCount'),
      isUsable,
    },
    readings: rows.map((row) => parseReading(row, startSeconds)),
  };
}

const nobody = '' as UserId; // a prediction peer is not told whose heart it is

function parseReading(value: unknown, startSeconds: number): Reading {
  const [offsetMs, heartRateBpm, rrMs] = tuple(value, 3, 'reading');
  if (typeof heartRateBpm !== 'number' || !(heartRateBpm > 0 && heartRateBpm <= messageLimits.heartRateBpmMax)) {
    throw new MalformedPredictionError('heartRateBpm');
  }
  if (!Array.isArray(rrMs) || rrMs.length > messageLimits.rrCountMax) throw new MalformedPredictionError('rrMs');
  for (const rr of rrMs as readonly unknown[]) {
    if (typeof rr !== 'number' || !(rr > 0 && rr <= messageLimits.rrMsMax)) throw new MalformedPredictionError('rrMs');
  }
  return {
    userId: nobody,
    tMs: startSeconds * 1000 + integer(offsetMs, 0, 9_999, 'offset'),
    heartRateBpm,
    rrMs: rrMs as readonly number[], // each was checked
    seq: null,
    confidence: null,
    isStamped: false,
  };
}

/** `[[startSeconds, score | null, input, modelId], …]`. */
export function encodePredictions(predictions: readonly Prediction[]): unknown {
  return {
    predictions: predictions.map(({ startSeconds, score, input, modelId }) => [startSeconds, score, input, modelId]),
  };
}

/** The predictions for `windows`, one each and in their order. @throws {MalformedPredictionError} */
export function parsePredictions(value: unknown, windows: readonly Window[]): readonly Prediction[] {
  const rows = fieldsOf(value)['predictions'];
  if (!Array.isArray(rows) || rows.length !== windows.length) throw new MalformedPredictionError('predictions');
  return windows.map((window, index) => {
    const [start, score, input, modelId] = tuple(rows[index], 4, 'prediction');
    if (start !== window.startSeconds || parseInput(input) !== window.input)
      throw new MalformedPredictionError('window');
    if (score !== null && (typeof score !== 'number' || !(score >= 0 && score <= 1))) {
      throw new MalformedPredictionError('score');
    }
    if (typeof modelId !== 'string' || modelId === '' || modelId.length > 64)
      throw new MalformedPredictionError('modelId');
    return { startSeconds: window.startSeconds, score: score as number | null, input: window.input, modelId };
  });
}

function parseInput(value: unknown): InputKind {
  const input = inputs.find((known) => known === value);
  if (input === undefined) throw new MalformedPredictionError('input');
  return input;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MalformedPredictionError('body');
  return value as Readonly<Record<string, unknown>>; // an object that is no array: its fields stay unknown
}

function tuple(value: unknown, length: number, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length !== length) throw new MalformedPredictionError(what);
  return value;
}

function integer(value: unknown, min: number, max: number, what: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new MalformedPredictionError(what);
  }
  return value;
}

/** Cuts `windows` into parts that one call may carry, in order. */
export function splitForPrediction(windows: readonly Window[]): readonly (readonly Window[])[] {
  const parts: Window[][] = [];
  let part: Window[] = [];
  let bytes = 0;
  for (const window of windows) {
    const size = predictionBytes(window);
    const isFull = part.length >= predictionLimits.windowsPerCallMax;
    if (part.length > 0 && (isFull || bytes + size > predictionLimits.bytesPerCallMax)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(window);
    bytes += size;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}
