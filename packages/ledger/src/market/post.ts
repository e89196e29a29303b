import type { PeerId } from '@pulsemesh/wire';

/**
 * How messages travel: durable, sealed end to end, at least once, in order between two peers. Over a relay in production, simulated in tests.
 * `Mark` is committed together with what a message changes, so that it changes it once.
 */
export interface Post<Mark> {
  readonly self: PeerId;
  /** Resolves once the message is kept for sending, for good. @throws {NoCardError} (retryable) where nobody knows the receiver's key. */
  send(to: PeerId, message: Uint8Array): Promise<void>;
  /** One handler; resolves once the mark is committed. */
  receive(handler: (from: PeerId, message: Uint8Array, mark: Mark) => Promise<'marked'>): void;
}
