import { Condition } from '@pulsemesh/base';

/** Why a checkpoint or a receipt is not believed, though it reads as one. */
export type ReceiptRefusal =
  /** The checkpoint is another board's. */
  | 'other-board'
  /** Witnesses signed it, the board did not. */
  | 'board-unsigned'
  /** Fewer witnesses cosigned it than the policy asks for. */
  | 'quorum'
  /** The leaf is not at that place of that tree. */
  | 'not-included';

/** A checkpoint or receipt that must not be believed. */
export class ReceiptRefusedError extends Condition {
  override readonly name = 'ReceiptRefusedError';
  constructor(reason: ReceiptRefusal) {
    super('board-receipt-refused', `the receipt is refused: ${reason}`, { facts: { reason } });
  }
}
