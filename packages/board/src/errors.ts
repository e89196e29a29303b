import { Condition } from '@pulsemesh/base';

/** Bytes that are not what they are said to be: a tile, a bundle, a note, a checkpoint, a receipt. `what` names it, `reason` says why. */
export class MalformedError extends Condition {
  override readonly name = 'MalformedError';
  constructor(what: string, reason: string) {
    super('board-malformed', `not a ${what}: ${reason}`, { facts: { what, reason } });
  }
}
