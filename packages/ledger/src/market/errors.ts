import { Condition } from '@pulsemesh/base';

/** The office was closed meanwhile. Retryable: the next process goes on. */
export class OfficeClosedError extends Condition {
  override readonly name = 'OfficeClosedError';
  constructor() {
    super('office-closed', 'the office was closed', { retryable: true });
  }
}

/** The office holds all it may of something. Retryable. */
export class OfficeFullError extends Condition {
  override readonly name = 'OfficeFullError';
  constructor(limit: string) {
    super('office-full', `the office holds all it may (${limit})`, { facts: { limit }, retryable: true });
  }
}

/** The request was answered, ran out, or never was. */
export class AskGoneError extends Condition {
  override readonly name = 'AskGoneError';
  constructor(state: string) {
    super('ask-gone', `the request cannot be answered any more (${state})`, { facts: { state } });
  }
}

/** More than was asked for, agreed on, or than the operator allows. */
export class PriceCapError extends Condition {
  override readonly name = 'PriceCapError';
  constructor(why: 'policy' | 'asked' | 'treatment' | 'no-money') {
    const texts = {
      policy: 'the operator of this node allows less',
      asked: 'it is more than was proposed; make a counter-proposal',
      treatment: 'treatment is free of charge',
      'no-money': 'this ledger moves no money',
    };
    super('price-cap', `the compensation is too high: ${texts[why]}`, { facts: { why } });
  }
}

/** A signature is not that of who should have signed, or over something else. */
export class SignatureRefusedError extends Condition {
  override readonly name = 'SignatureRefusedError';
  constructor(what: string) {
    super('signature-refused', `the signature is refused: ${what}`, { facts: { what } });
  }
}

/** Nobody of that pseudonym, or no grant or draft of that id, is known here. */
export class NotKnownError extends Condition {
  override readonly name = 'NotKnownError';
  constructor(what: 'patient' | 'grant' | 'ask' | 'draft' | 'account' | 'custodian') {
    super('not-known', `no such ${what} is known here`, { facts: { what } });
  }
}

/** The offer was bought, withdrawn, or ran out. */
export class OfferGoneError extends Condition {
  override readonly name = 'OfferGoneError';
  constructor(phase: string) {
    super('offer-gone', `the offer cannot be bought any more (${phase})`, { facts: { phase } });
  }
}

/** What was asked needs the grant to be further. Retryable: it may get there. */
export class GrantNotReadyError extends Condition {
  override readonly name = 'GrantNotReadyError';
  constructor(phase: string) {
    super('grant-not-ready', `the grant is not that far (${phase})`, { facts: { phase }, retryable: true });
  }
}

/** A custodian refused to serve, and wrote it down. */
export class AccessDeniedError extends Condition {
  override readonly name = 'AccessDeniedError';
  constructor(reason: string) {
    const retryable = reason === 'ledger-away' || reason === 'not-final' || reason === 'quota';
    super('access-denied', `the custodian refused: ${reason}`, { facts: { reason }, retryable });
  }
}

/** What a custodian served is not what it should be. */
export class ServedWrongError extends Condition {
  override readonly name = 'ServedWrongError';
  constructor(why: string) {
    super('served-wrong', `a custodian served something else: ${why}`, { facts: { why } });
  }
}

/** The market here is put together in a way that cannot work. */
export class OfficeSetupError extends Condition {
  override readonly name = 'OfficeSetupError';
  constructor(why: string) {
    super('office-setup', `the office cannot open: ${why}`, { facts: { why } });
  }
}
