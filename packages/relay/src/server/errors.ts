import { Condition } from '@pulsemesh/base/errors';

/** The agent has more sessions than it may; the oldest ended. */
export class SessionReplacedError extends Condition {
  override readonly name = 'SessionReplacedError';
  constructor() {
    super('replaced', 'a newer session of the same agent took its place');
  }
}

/** The agent logged in anew while this session had no carrier, and did not come back to it. Retryable: whoever it belongs to logs in. */
export class SessionLeftError extends Condition {
  override readonly name = 'SessionLeftError';
  constructor() {
    super('left', 'the agent logged in anew and did not come back to this session', { retryable: true });
  }
}

/** As many guests as there may be; the oldest ended. Retryable. */
export class TooManyGuestsError extends Condition {
  override readonly name = 'TooManyGuestsError';
  constructor() {
    super('too-many-guests', 'another guest took its place', { retryable: true });
  }
}

/** What came on a stream is not what its method expects. */
export class MalformedError extends Condition {
  override readonly name = 'MalformedError';
  constructor(cause?: unknown) {
    super('malformed', 'what came is not what the method expects', cause === undefined ? {} : { cause });
  }
}

/** As many streams of this kind as one may have. Retryable once one has ended. */
export class TooManyStreamsError extends Condition {
  override readonly name = 'TooManyStreamsError';
  constructor() {
    super('too-many', 'as many streams of this kind as one may have', { retryable: true });
  }
}

/** The agent that was called cannot be joined: `peer-offline`, `peer-refused` or `peer-busy`. Retryable. */
export class PeerUnavailableError extends Condition {
  override readonly name = 'PeerUnavailableError';
  constructor(code: 'peer-offline' | 'peer-refused' | 'peer-busy') {
    super(code, `the other agent cannot be joined: ${code}`, { retryable: true });
  }
}

/** The other agent broke its end of the stream; the code is its own. */
export class PeerBrokeError extends Condition {
  override readonly name = 'PeerBrokeError';
  constructor(code: string, retryable: boolean) {
    super(code, 'the other agent broke the stream', { retryable });
  }
}

/** The relay stops. Retryable, here later or elsewhere. */
export class RelayStoppingError extends Condition {
  override readonly name = 'RelayStoppingError';
  constructor(code: 'draining' | 'failed') {
    super(code, 'the relay stops', { retryable: true });
  }
}
