import { Condition } from '@pulsemesh/base';

/** The session is over: what was sent and not answered may or may not have arrived. Retryable on a new session. */
export class SessionClosedError extends Condition {
  override readonly name = 'SessionClosedError';
  constructor(cause?: unknown) {
    super('session-closed', 'the session is closed', { retryable: true, cause });
  }
}

/**
 * The other end no longer knows the session (it was restarted, or nobody came for too long), so that continuity cannot be kept.
 * Retryable on a new session.
 */
export class SessionLostError extends Condition {
  override readonly name = 'SessionLostError';
  constructor(reason: 'unknown-session' | 'grace-over' | 'silent') {
    super('session-lost', `the session is lost: ${reason}`, { facts: { reason }, retryable: true });
  }
}

/** The server refused the hello or the login; `facts.refusal` is its code. */
export class LinkRefusedError extends Condition {
  override readonly name = 'LinkRefusedError';
  /** The server's code, such as `not-admitted` or `busy`. */
  readonly refusal: string;
  constructor(refusal: string, retryable: boolean) {
    super('link-refused', `the server refused: ${refusal}`, { facts: { refusal }, retryable });
    this.refusal = refusal;
  }
}

/** Whoever answered does not hold the key that was expected, or could not sign for the one it showed. Not retryable. */
export class ServerImpostorError extends Condition {
  override readonly name = 'ServerImpostorError';
  constructor(reason: 'another-key' | 'bad-signature' | 'bad-welcome') {
    super('server-impostor', `the one who answered is not the server: ${reason}`, { facts: { reason } });
  }
}

/** The other end refused, failed, or said goodbye; `code` is what it said. */
export class LinkRemoteError extends Condition {
  override readonly name = 'LinkRemoteError';
  /** What the other end wrote for a person. Not for logs: it is the other end's text. */
  readonly remoteText: string;
  constructor(code: string, remoteText: string, retryable: boolean) {
    super(code, `the other end said: ${code}`, { retryable });
    this.remoteText = remoteText;
  }
}

/** The stream was ended, aborted or broke; the reason is the cause. */
export class StreamClosedError extends Condition {
  override readonly name = 'StreamClosedError';
  constructor(cause?: unknown) {
    super('stream-closed', 'the stream is closed', { cause });
  }
}

/** As many streams are open as the other end allows. Retryable once one has ended. */
export class StreamLimitError extends Condition {
  override readonly name = 'StreamLimitError';
  constructor(streamsMax: number) {
    super('stream-limit', `${streamsMax} streams at once is the limit`, { facts: { streamsMax }, retryable: true });
  }
}

/** A message longer than one may be. Nothing was sent. */
export class MessageTooLargeError extends Condition {
  override readonly name = 'MessageTooLargeError';
  constructor(messageBytes: number, messageBytesMax: number) {
    super('message-too-large', `a message of ${messageBytes} bytes is longer than ${messageBytesMax}`, {
      facts: { messageBytes, messageBytesMax },
    });
  }
}

/** The stream holds all it may: its user went on writing without waiting for room. Nothing was taken. Retryable. */
export class StreamFullError extends Condition {
  override readonly name = 'StreamFullError';
  constructor(bufferedBytesMax: number) {
    super('stream-full', `more than ${bufferedBytesMax} bytes wait on the stream`, {
      facts: { bufferedBytesMax },
      retryable: true,
    });
  }
}

/** The carrier was closed before what was asked of it happened. Retryable on another. */
export class CarrierClosedError extends Condition {
  override readonly name = 'CarrierClosedError';
  constructor(cause?: unknown) {
    super('carrier-closed', 'the carrier is closed', { retryable: true, cause });
  }
}

/** The carrier moves only packets smaller than what must be sent on it. */
export class CarrierTooSmallError extends Condition {
  override readonly name = 'CarrierTooSmallError';
  constructor(packetBytesMax: number) {
    super('carrier-too-small', `the carrier moves only ${packetBytesMax} bytes at once`, { facts: { packetBytesMax } });
  }
}

/** As many carriers, sessions or waits as may be. Retryable. */
export class LinkBusyError extends Condition {
  override readonly name = 'LinkBusyError';
  constructor(what: string, max: number) {
    super('link-busy', `${what}: ${max} is the limit`, { facts: { what, max }, retryable: true });
  }
}

/** The other end does what the protocol forbids; the session ends. */
export class ProtocolViolationError extends Condition {
  override readonly name = 'ProtocolViolationError';
  constructor(reason: string) {
    super('protocol-violation', `the other end broke the protocol: ${reason}`, { facts: { reason } });
  }
}

/** Two handlers for one method: a bug of the caller's composition, found at start. */
export class MethodTakenError extends Condition {
  override readonly name = 'MethodTakenError';
  constructor(method: string) {
    super('method-taken', `${method} has a handler already`, { facts: { method } });
  }
}
