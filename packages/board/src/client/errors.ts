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
    super('board-refused', `the board does not take the entry: ${text}`, { facts: { refusal }, ...options });
    this.refusal = refusal;
  }
}

/** The board of this client was closed. */
export class BoardClosedError extends Condition {
  override readonly name = 'BoardClosedError';
  constructor() {
    super('board-closed', 'the board was closed here');
  }
}
