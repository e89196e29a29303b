import { Condition } from '@pulsemesh/base';

/** What a log's store holds is not what a log wrote: it must not be appended to, for two histories would be signed. */
export type LogDamage =
  | 'another-origin'
  | 'another-key'
  | 'checkpoint-missing'
  | 'checkpoint-malformed'
  | 'checkpoint-signature'
  | 'leaves-missing'
  | 'leaf-missing'
  | 'tile-missing'
  | 'root-differs';

/** The store does not hold the log it should, or holds it damaged. Nothing was changed; restore it from a copy. */
export class LogDamagedError extends Condition {
  override readonly name = 'LogDamagedError';
  constructor(damage: LogDamage, size: number) {
    super('board-log-damaged', `the board's log cannot be opened: ${damage}`, { facts: { damage, size } });
  }
}

/** Too many leaves wait for their commit; `limit` names which. Nothing changed. Retryable. */
export class LogBusyError extends Condition {
  override readonly name = 'LogBusyError';
  constructor(limit: string) {
    super('board-busy', `too much waits for the board's log: ${limit}`, { facts: { limit }, retryable: true });
  }
}

/** The log holds all the leaves it may. Nothing changed. */
export class LogFullError extends Condition {
  override readonly name = 'LogFullError';
  constructor(leavesMax: number) {
    super('board-full', `the board's log is full (${leavesMax} leaves)`, { facts: { leavesMax } });
  }
}

/** A leaf without bytes, or longer than a bundle can hold. */
export class LeafRefusedError extends Condition {
  override readonly name = 'LeafRefusedError';
  constructor(bytes: number) {
    super('board-leaf-refused', `a leaf of ${bytes} bytes is refused`, { facts: { bytes } });
  }
}

/** The log was closed. */
export class LogClosedError extends Condition {
  override readonly name = 'LogClosedError';
  constructor() {
    super('board-closed', "the board's log is closed");
  }
}
