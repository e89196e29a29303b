import { Condition, type ErrorFacts } from '@pulsemesh/base';

/** Why a device's message is refused: stable codes, shown to the device and counted. */
export const refusalCodes = [
  'message-too-large',
  'message-not-json',
  'message-not-object',
  'user-id-missing',
  'user-id-malformed',
  'user-id-not-yours',
  'heart-rate-missing',
  'heart-rate-malformed',
  'heart-rate-out-of-range',
  'time-missing',
  'time-malformed',
  'time-in-future',
  'time-too-old',
  'rr-malformed',
  'rr-too-many',
  'seq-malformed',
  'confidence-malformed',
] as const;

export type RefusalCode = (typeof refusalCodes)[number];

/**
 * A device's message that cannot be taken, with an explanation fit for the device's maker. Its text and
 * facts never hold what the message said. Not retryable: the same bytes are refused again.
 */
export class MessageRefusedError extends Condition {
  override readonly name = 'MessageRefusedError';
  declare readonly code: RefusalCode;
  constructor(code: RefusalCode, explanation: string, facts: ErrorFacts = {}) {
    super(code, explanation, { facts });
  }
}

/** Bytes that are not a reading in this program's own form: a peer or a disk is at fault, not a device. */
export class ReadingCodecError extends Condition {
  override readonly name = 'ReadingCodecError';
  constructor(what: string) {
    super('reading-codec', `not an encoded reading: ${what}`);
  }
}
