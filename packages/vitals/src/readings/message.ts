import { MessageRefusedError } from './errors.ts';
import type { Reading, UserId } from './reading.ts';

/** What a device's message may be at most. */
export const messageLimits = {
  bytesMax: 8 * 1024,
  userIdCharactersMax: 128,
  heartRateBpmMax: 400,
  rrCountMax: 64,
  /** An interval longer than this is no heart's pause but a lost strap. */
  rrMsMax: 60_000,
  /** The end of what records can be filed under, in the year 2514; for replays, whose times are not checked. */
  tMsMax: 2 ** 34 * 1000 - 1,
} as const;

// Letters, digits, punctuation and symbols of any script; no spaces, controls or format characters,
// which could forge a log line or hide one name behind another.
const userIdPattern = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u;
const decimalPattern = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/;
const isoPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Checks one MQTT payload of a device and returns the reading it holds. Two forms are taken:
 *
 * - the original: `{"userId":"Qm…","heartrate":"75.5"}`, the rate a string or a number. It carries no time,
 *   so the reading is stamped with `arrivalMs`;
 * - version 1: `{userId, t, heartrate, rr?, seq?, confidence?}` with `t` in milliseconds since 1970 (a number)
 *   or ISO 8601 with a zone (`2026-01-01T10:00:00.250Z`), `rr` in milliseconds, oldest first.
 *
 * Fields it does not know are ignored. Only named fields are read, so a `__proto__` in the message is inert.
 * @throws {MessageRefusedError}.
 */
export function parseReadingMessage(payload: Uint8Array, arrivalMs: number): Reading {
  const message = parseObject(payload);
  const userId = parseUserId(message['userId']);
  const heartRateBpm = parseHeartRate(message['heartrate']);
  const isStamped = message['t'] === undefined;
  if (isStamped && (message['seq'] !== undefined || message['rr'] !== undefined)) {
    throw new MessageRefusedError('time-missing', 'a message with seq or rr must say in t when it was measured');
  }
  return {
    userId,
    tMs: isStamped ? arrivalMs : parseTime(message['t']),
    heartRateBpm,
    rrMs: parseIntervals(message['rr']),
    seq: parseSeq(message['seq']),
    confidence: parseConfidence(message['confidence']),
    isStamped,
  };
}

/**
 * A wearer's id as a device gives it: 1 … 128 visible characters.
 * @throws {MessageRefusedError}.
 */
export function parseUserId(value: unknown): UserId {
  if (value === undefined) throw new MessageRefusedError('user-id-missing', 'the message must carry a userId');
  if (typeof value !== 'string' || value.length < 1 || value.length > messageLimits.userIdCharactersMax) {
    throw new MessageRefusedError('user-id-malformed', 'userId must be a text of 1 to 128 characters');
  }
  if (!userIdPattern.test(value)) {
    throw new MessageRefusedError('user-id-malformed', 'userId must hold visible characters only, no spaces');
  }
  return value as UserId; // checked just now
}

function parseObject(payload: Uint8Array): Record<string, unknown> {
  if (payload.length > messageLimits.bytesMax) {
    throw new MessageRefusedError('message-too-large', 'the message is longer than 8 KiB', { bytes: payload.length });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(payload));
  } catch {
    // The parser's own text quotes the message, so it is not kept as the cause.
    throw new MessageRefusedError('message-not-json', 'the message is not JSON in UTF-8');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new MessageRefusedError('message-not-object', 'the message must be one JSON object');
  }
  return parsed as Record<string, unknown>; // JSON objects have string keys
}

function parseHeartRate(value: unknown): number {
  if (value === undefined) throw new MessageRefusedError('heart-rate-missing', 'the message must carry a heartrate');
  const rate = typeof value === 'string' && value.length <= 32 && decimalPattern.test(value) ? Number(value) : value;
  if (typeof rate !== 'number' || !Number.isFinite(rate)) {
    throw new MessageRefusedError('heart-rate-malformed', 'heartrate must be a number, or a number written as text');
  }
  if (rate <= 0 || rate > messageLimits.heartRateBpmMax) {
    throw new MessageRefusedError('heart-rate-out-of-range', 'heartrate must be above 0 and at most 400 per minute');
  }
  return rate;
}

function parseTime(value: unknown): number {
  const tMs = typeof value === 'string' && isoPattern.test(value) ? Date.parse(value) : value;
  if (typeof tMs !== 'number' || !Number.isFinite(tMs) || tMs < 0 || tMs > messageLimits.tMsMax) {
    throw new MessageRefusedError(
      'time-malformed',
      't must be milliseconds since 1970, or a date and time with a zone (ISO 8601)',
    );
  }
  return Math.floor(tMs);
}

function parseIntervals(value: unknown): readonly number[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new MessageRefusedError('rr-malformed', 'rr must be a list of milliseconds');
  if (value.length > messageLimits.rrCountMax) {
    throw new MessageRefusedError('rr-too-many', 'rr holds at most 64 intervals', { count: value.length });
  }
  for (const interval of value) {
    if (typeof interval !== 'number' || !(interval > 0 && interval <= messageLimits.rrMsMax)) {
      throw new MessageRefusedError('rr-malformed', 'each rr interval must be above 0 and at most 60,000 ms');
    }
  }
  return value;
}

function parseSeq(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MessageRefusedError('seq-malformed', 'seq must be a whole number from 0 to 2^53-1');
  }
  return value;
}

function parseConfidence(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
    throw new MessageRefusedError('confidence-malformed', 'confidence must be a number from 0 to 1');
  }
  return value;
}
