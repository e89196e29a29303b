import { Condition } from '@pulsemesh/base';

/** Why a receipt is not believed. */
export type AccessReceiptRefusal =
  /** Signed under another log, or by nobody known. */
  | 'checkpoint'
  /** The record's leaf is not where the receipt says. */
  | 'not-in-log'
  /** The custodian did not sign this record. */
  | 'signature'
  /** The reader did not sign what it is said to have asked. */
  | 'request'
  /** The record says something that its request, or its kind, does not allow. */
  | 'contradiction';

/** The receipt does not show what it says. Whoever handed it out has to explain. */
export class AccessReceiptRefusedError extends Condition {
  override readonly name = 'AccessReceiptRefusedError';
  readonly reason: AccessReceiptRefusal;
  constructor(reason: AccessReceiptRefusal) {
    super('access-receipt-refused', `the access receipt is refused: ${reason}`, { facts: { reason } });
    this.reason = reason;
  }
}

/** The access log was closed. */
export class AccessLogClosedError extends Condition {
  override readonly name = 'AccessLogClosedError';
  constructor() {
    super('access-log-closed', 'the access log is closed');
  }
}

/** What is said in an emergency does not fit the log: nothing, too long, or not one line. */
export class EmergencyReasonError extends Condition {
  override readonly name = 'EmergencyReasonError';
  constructor(charactersMax: number) {
    super('emergency-reason', `a reason is one line of 1 to ${charactersMax} characters`, { facts: { charactersMax } });
  }
}
