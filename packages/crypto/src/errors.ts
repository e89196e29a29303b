import { Condition } from '@pulsemesh/base';

/**
 * Sealed bytes do not open: altered, cut, sealed for another place, or under another key. Which of these is not
 * knowable. Not retryable.
 */
export class SealBrokenError extends Condition {
  override readonly name = 'SealBrokenError';
  constructor(reason = 'authentication failed') {
    super('seal-broken', `the seal does not open: ${reason}`, { facts: { reason } });
  }
}
