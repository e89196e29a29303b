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

/** A public key that gives a secret anybody knows, or is no public key at all. Whoever sent it is broken or hostile. */
export class WeakKeyError extends Condition {
  override readonly name = 'WeakKeyError';
  constructor() {
    super('weak-key', 'the public key is refused: it gives no secret');
  }
}
