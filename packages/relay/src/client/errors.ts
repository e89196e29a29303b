import { Condition } from '@pulsemesh/base/errors';

/** The outbox holds all it may; nothing was taken. Retryable once something was stored at a relay. */
export class OutboxFullError extends Condition {
  override readonly name = 'OutboxFullError';
  constructor(limit: 'outboxCountMax' | 'outboxBytesMax') {
    super('outbox-full', `the outbox is full: ${limit}`, { facts: { limit }, retryable: true });
  }
}

/** No relay would ever take this message: fewer recipients than one or more than 256, or an envelope longer than 1 MiB. Nothing was taken. */
export class UnsendableError extends Condition {
  override readonly name = 'UnsendableError';
  constructor(limit: 'targets' | 'envelopeBytesMax') {
    super('unsendable', `no relay would take the message: ${limit}`, { facts: { limit } });
  }
}

/** No relay stored the message for at least one recipient; `code` is the refusal (relay.proto), or `expired`. */
export class SendRefusedError extends Condition {
  override readonly name = 'SendRefusedError';
  constructor(code: string) {
    super(code, `no relay stored the message: ${code}`, {
      retryable: code === 'mailbox-full' || code === 'relay-full',
    });
  }
}

/** The client was disposed; what was not stored is in the outbox. */
export class RelayClientClosedError extends Condition {
  override readonly name = 'RelayClientClosedError';
  constructor() {
    super('relay-client-closed', 'the relay client is closed');
  }
}

/** No relay has a session now, or none reaches the agent. Retryable. */
export class AgentUnreachableError extends Condition {
  override readonly name = 'AgentUnreachableError';
  constructor(cause?: unknown) {
    super('agent-unreachable', 'no relay reaches the other agent now', { retryable: true, cause });
  }
}

/** There is no sealer: plain bytes go only through `raw`. */
export class NoSealerError extends Condition {
  override readonly name = 'NoSealerError';
  constructor() {
    super('no-sealer', 'this client seals nothing; give it a sealer, or seal and use raw');
  }
}

/** What came on a sealed stream is not its next message: by somebody else, of another call, or out of its place. */
export class NotOfThisCallError extends Condition {
  override readonly name = 'NotOfThisCallError';
  constructor() {
    super('not-of-this-call', 'what came is not the next message of this call');
  }
}
