import { Condition } from '@pulsemesh/base';

/** Why sealed bytes were not opened. None of them says whether it was chance or malice: that is not knowable. */
export type RefusalReason =
  /** Made by a newer or another program. */
  | 'version'
  /** Not as long as anything that is sealed. */
  | 'size'
  /** Altered, for somebody else, or sealed for another use. */
  | 'sealed'
  /** The sender's key is not its own, or is one that is not accepted. */
  | 'sender'
  /** Opened, and not what should be inside. */
  | 'content'
  /** No session knows it: of another one, too old, or there already. */
  | 'unknown'
  /** Numbered further ahead than keys are kept for. */
  | 'ahead';

/** Sealed bytes that are not opened. Nothing changed by trying. */
export class SealRefusedError extends Condition {
  override readonly name = 'SealRefusedError';
  readonly reason: RefusalReason;
  constructor(reason: RefusalReason, options: { readonly cause?: unknown } = {}) {
    super('seal-refused', `sealed bytes were refused: ${reason}`, { facts: { reason }, ...options });
    this.reason = reason;
  }
}

/** More content than one envelope or batch takes: split it. */
export class ContentTooLargeError extends Condition {
  override readonly name = 'ContentTooLargeError';
  constructor(bytes: number, bytesMax: number) {
    super('content-too-large', `${bytes} bytes are more than the ${bytesMax} of one envelope`, {
      facts: { bytes, bytesMax },
    });
  }
}

/** As many batches were sealed as may be without an answer. Retryable once the other side has said something. */
export class PairUnansweredError extends Condition {
  override readonly name = 'PairUnansweredError';
  constructor(batchesMax: number) {
    super('pair-unanswered', `${batchesMax} batches were sealed without an answer`, {
      facts: { batchesMax },
      retryable: true,
    });
  }
}

/** A kept session state that is damaged or of another version. The pair starts a new session. */
export class PairStateError extends Condition {
  override readonly name = 'PairStateError';
  constructor(options: { readonly cause?: unknown } = {}) {
    super('pair-state-damaged', 'the kept state of a pair session is not readable', options);
  }
}
