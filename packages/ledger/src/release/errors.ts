import { Condition } from '@pulsemesh/base';

/** Why an envelope is not taken. */
export type EnvelopeRefusal =
  /** Of another form or version, cut, or larger than envelopes are. */
  | 'malformed'
  /** Altered, sealed to another key, or made for another grant. */
  | 'seal-broken'
  /** It opens something else than what was agreed. */
  | 'other-span';

/** The envelope does not hold the keys of this grant for this key. */
export class EnvelopeRefusedError extends Condition {
  override readonly name = 'EnvelopeRefusedError';
  readonly reason: EnvelopeRefusal;
  constructor(reason: EnvelopeRefusal, options: { readonly cause?: unknown } = {}) {
    super('envelope-refused', `the envelope is refused: ${reason}`, { facts: { reason }, ...options });
    this.reason = reason;
  }
}
