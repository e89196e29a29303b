import { emergencyIdOf } from '../../custody/emergency-id.ts';
import { LedgerRefusedError } from '../../grants/errors.ts';
import type { Hex } from '../../offer/offer.ts';
import { verifyRevocation } from '../../offer/verify-signature.ts';
import type { Change } from '../desk/desk.ts';
import { NotKnownError, SignatureRefusedError } from '../errors.ts';
import { offerOf } from '../kept-messages.ts';
import { encodeMessage } from '../message-codec.ts';
import { messageLimits } from '../message-limits.ts';
import type { HomeHouse } from './home-means.ts';
import { type HomeRows, inboxIdOf, nobody } from './home-rows.ts';

const withoutConsent = '{}';
const withoutSalt = new Uint8Array(messageLimits.saltBytes);

/** How grants end: by the patient's word, and by forgetting. */
export class Ending {
  readonly #house: HomeHouse;

  constructor(house: HomeHouse) {
    this.#house = house;
    for (const grantId of house.desk.all('revoking').keys()) this.settle(grantId as Hex);
  }

  /** Custodians and researcher are told at once; the ledger follows, however long it is away. */
  async revoke(grantId: Hex, signature: Hex): Promise<void> {
    const { desk, clock, means, events } = this.#house;
    const subject = await desk.transact(async (change) => {
      const grant = change.get('grant', grantId);
      if (grant === undefined) throw new NotKnownError('grant');
      if (grant.revocation !== null) return null;
      const claim = { offer: offerOf(grant).signed.offer, signature };
      if ((await verifyRevocation(claim, means.domain, means.verifiers)) !== 'valid') {
        throw new SignatureRefusedError('of the withdrawal of consent');
      }
      change.put('grant', grantId, { ...grant, revocation: signature, revokedMs: clock.now() });
      const offer = { ...offerOf(grant), consent: withoutConsent, salt: withoutSalt };
      change.put('revoking', grantId, { offer: encodeMessage('offer', offer), signature });
      // What has not gone out need not: an offer that nobody saw cannot be bought.
      change.callBack(grantId);
      // Who never saw the offer need not know that there was one.
      const hasSeen = grant.held.length === grant.custodians.length ? [grant.researcher] : [];
      for (const to of [...grant.custodians, ...hasSeen]) {
        change.send(to, 'withdrawn', { grantId, signature }, `withdrawn ${grantId}`);
      }
      change.tell({ noticeId: `revoked/${grantId}`, subject: grant.subject, kind: 'revoked' });
      return grant.subject;
    });
    if (subject === null) return;
    events.happened('revoked');
    this.settle(grantId);
    this.#house.changed(subject);
  }

  /** Puts a withdrawal of consent on the ledger, once it can be. */
  settle(grantId: Hex): void {
    const { desk, errands, means } = this.#house;
    errands.run(`revoke ${grantId}`, async (signal) => {
      const row = desk.get('revoking', grantId);
      if (row === undefined) return;
      const { offer } = offerOf(row).signed;
      try {
        await means.ledger.perform({ step: 'revoke', offer, signature: row.signature }, { signal });
      } catch (error) {
        if (!(error instanceof LedgerRefusedError)) throw error;
        const { status } = await means.ledger.stateOf(grantId, 'final', { signal });
        // Delivered or disputed: it can be withdrawn once that is settled, which is an event.
        if (status !== 'closed' && status !== 'revoked') return;
      }
      await desk.transact((change) => change.remove('revoking', grantId));
    });
  }

  /** Relays a withdrawal of money; the signer's signature says where to. */
  async withdraw(
    grantId: Hex,
    what: { to: Hex; amount: bigint; nonce: bigint; until: number; signature: Hex },
  ): Promise<Hex> {
    const grant = this.#house.desk.get('grant', grantId);
    if (grant === undefined) throw new NotKnownError('grant');
    const { signer, token } = grant;
    const { transaction } = await this.#house.means.ledger.perform({ step: 'withdraw', signer, token, ...what });
    return transaction;
  }

  /**
   * Destroys what ties the ledger to a patient. Custodians destroy envelopes and records of accesses; what was bought and not delivered goes
   * back to the buyer. Money that was not withdrawn stays with the key that the patient has.
   */
  async erase(subject: string): Promise<void> {
    const { desk, clock, events } = this.#house;
    await desk.transact((change) => {
      const patient = change.get('patient', subject) ?? nobody;
      if (patient.erasedMs !== null) return;
      change.put('patient', subject, { isAskable: false, passkey: null, erasedMs: clock.now() });
      for (const [grantId, grant] of [...change.all('grant')]) {
        if (grant.subject !== subject) continue;
        change.callBack(grantId);
        for (const to of grant.custodians) change.send(to, 'erased', { grantId: grantId as Hex }, `erased ${grantId}`);
        change.remove('grant', grantId);
        for (const [accessId] of [...change.all('access')]) {
          if (accessId.startsWith(`${grantId}/`)) change.remove('access', accessId);
        }
      }
      for (const [inboxId, inbox] of [...change.all('inbox')]) {
        if (inbox.subject === subject) change.remove('inbox', inboxId);
      }
      forgetRest(change, subject);
    });
    events.happened('erased');
    this.#house.changed(subject);
  }
}

function forgetRest(change: Change<HomeRows>, subject: string): void {
  for (const [draftId, draft] of [...change.all('draft')])
    if (draft.subject === subject) change.remove('draft', draftId);
  for (const [handle, row] of [...change.all('handle')]) {
    if (row.subject !== subject) continue;
    change.remove('handle', handle);
    change.callBack(handle); // a counter-proposal holds the patient's own words
  }
  const emergencies = `${emergencyIdOf(subject)}/`;
  for (const [accessId] of [...change.all('access')])
    if (accessId.startsWith(emergencies)) change.remove('access', accessId);
  for (const [alarmId, alarm] of [...change.all('alarm')])
    if (alarm.subject === subject) change.remove('alarm', alarmId);
}

/** Forgets requests that ran out long ago, and what was left half done: drafts, handles. */
export function tidy(change: Change<HomeRows>, limits: { readonly nowMs: number; readonly askKeptMs: number }): void {
  const { nowMs, askKeptMs } = limits;
  for (const [askId, ask] of [...change.all('ask')]) {
    if (ask.expiresMs + askKeptMs > nowMs) continue;
    change.remove('ask', askId);
    for (const [, inbox] of [...change.all('inbox')]) {
      if (inbox.askId === askId) change.remove('inbox', inboxIdOf(askId, inbox.subject));
    }
  }
  for (const [handle, row] of [...change.all('handle')]) if (row.expiresMs <= nowMs) change.remove('handle', handle);
}
