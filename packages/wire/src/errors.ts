import { Condition } from '@pulsemesh/base';

/** Received bytes or text do not say what they should. The text names the fault, never the content. Not retryable. */
export class DecodeError extends Condition {
  override readonly name = 'DecodeError';
  constructor(reason: string, options: { readonly cause?: unknown } = {}) {
    super('decode', `cannot decode: ${reason}`, { facts: { reason }, ...options });
  }
}
