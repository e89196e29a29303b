import { Condition } from '@pulsemesh/base';
import type { Evidence } from './evidence.ts';

/** The board does not answer, or not with anything that could be used. Retryable. */
export class BoardUnreachableError extends Condition {
  override readonly name = 'BoardUnreachableError';
  constructor(origin: string, why: string, options: { readonly cause?: unknown } = {}) {
    super('board-unreachable', `the board ${origin} cannot be reached: ${why}`, {
      facts: { origin, why },
      retryable: true,
      ...options,
    });
  }
}

/**
 * The board signed what cannot both be true. {@link evidence} shows it to whoever has the board's key; nothing of this board counts from
 * here on.
 */
export class BoardLiedError extends Condition {
  override readonly name = 'BoardLiedError';
  readonly evidence: Evidence;
  constructor(origin: string, evidence: Evidence) {
    super(
      'board-lied',
      `the board ${origin} contradicts itself (${evidence.kind}): keep the evidence, trust nothing of it`,
      { facts: { origin, evidence: evidence.kind } },
    );
    this.evidence = evidence;
  }
}

/** The board does not take the entry; `refusal` is its word for why. */
export class BoardRefusedError extends Condition {
  override readonly name = 'BoardRefusedError';
  readonly refusal: string;
  constructor(refusal: string, text: string, options: { readonly retryable?: boolean } = {}) {
    super('board-refused', `the board answers: ${text}`, { facts: { refusal }, ...options });
    this.refusal = refusal;
  }
}

/** The board of this client was closed. */
export class BoardClosedError extends Condition {
  override readonly name = 'BoardClosedError';
  constructor() {
    super('board-client-closed', 'the board was closed here');
  }
}

/** What a client kept of a board is not what it wrote: it must be fetched anew, into another place, and compared with what others know. */
export class FollowStoreDamagedError extends Condition {
  override readonly name = 'FollowStoreDamagedError';
  constructor(what: 'head' | 'leaves', options: { readonly cause?: unknown } = {}) {
    super('board-copy-damaged', `what was kept of the board is damaged, or of another board: ${what}`, {
      facts: { what },
      ...options,
    });
  }
}

/** The entry is at the board, or on its way; that it is included and countersigned was not seen in time. Repeat it: it is not added twice. */
export class NotCountersignedError extends Condition {
  override readonly name = 'NotCountersignedError';
  constructor(
    origin: string,
    facts: { readonly isTaken: boolean; readonly cosigners: number; readonly quorum: number },
  ) {
    const state = facts.isTaken
      ? 'is at the board, but not yet countersigned by enough witnesses'
      : 'is not at the board yet';
    super('board-not-countersigned', `the entry ${state} (${origin}): try again`, {
      facts: { origin, ...facts },
      retryable: true,
    });
  }
}

/** The board has more than this client follows. */
export class BoardTooLargeError extends Condition {
  override readonly name = 'BoardTooLargeError';
  constructor(limit: string) {
    super('board-too-large', `the board has more than this program follows (${limit})`, { facts: { limit } });
  }
}
