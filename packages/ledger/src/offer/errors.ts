import { Condition } from '@pulsemesh/base';

/** What was read is no offer, or no draft of one: `field` says where it fails. */
export class OfferMalformedError extends Condition {
  override readonly name = 'OfferMalformedError';
  readonly field: string;
  constructor(field: string) {
    super('offer-malformed', `the offer is malformed: ${field}`, { facts: { field } });
    this.field = field;
  }
}

/** Why a passkey's answer is not taken. */
export type PasskeyRefusal =
  /** Of another form, or longer than such answers are. */
  | 'malformed'
  /** Another passkey answered than the one enrolled. */
  | 'credential'
  | 'type'
  /** It signed something else, or this was answered before. */
  | 'challenge'
  /** Another page asked. */
  | 'origin'
  | 'relying-party'
  /** Nobody touched it, or it did not make sure who did. */
  | 'not-present'
  | 'not-verified'
  /** Its counter stands, or went back: there may be a copy of it. */
  | 'counter'
  | 'signature';

/** A passkey's answer is not what was asked of it. Nothing was done. */
export class PasskeyRefusedError extends Condition {
  override readonly name = 'PasskeyRefusedError';
  readonly reason: PasskeyRefusal;
  constructor(reason: PasskeyRefusal) {
    super('passkey-refused', `the passkey's answer is refused: ${reason}`, { facts: { reason } });
    this.reason = reason;
  }
}

/** What was read is no FHIR Consent that the program understands: `field` says where it fails. */
export class ConsentMalformedError extends Condition {
  override readonly name = 'ConsentMalformedError';
  readonly field: string;
  constructor(field: string) {
    super('consent-malformed', `the consent is malformed: ${field}`, { facts: { field } });
    this.field = field;
  }
}

/** Why a peer and an account are not believed to be one. */
export type BindingRefusal = 'malformed' | 'not-yet' | 'expired' | 'too-long' | 'peer-signature' | 'account-signature';

/** The statement that binds an account to a peer does not hold. */
export class AccountBindingRefusedError extends Condition {
  override readonly name = 'AccountBindingRefusedError';
  readonly reason: BindingRefusal;
  constructor(reason: BindingRefusal) {
    super('account-binding-refused', `the binding of an account to a peer is refused: ${reason}`, {
      facts: { reason },
    });
    this.reason = reason;
  }
}
