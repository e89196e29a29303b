import type { GrantView, Hex, PatientConsentView } from '@pulsemesh/node/api';
import type { ApiClient } from '../api/client.ts';
import type { AskActions } from '../components/consent/ask-card.tsx';
import type { ChoiceActions } from '../components/consent/choices.tsx';
import type { Withdraw } from '../components/consent/earnings.tsx';
import type { GrantActions } from '../components/consent/grant-card.tsx';
import { toBase64Url, toHexText } from './bytes.ts';
import { consentOf } from './consent-api.ts';
import { askPasskey, browserPasskeys, createPasskey, PasskeyError } from './passkey.ts';
import { acceptDraft, checkDraft, revocationOf, withdrawalOf } from './sign.ts';

/** A withdrawal that nobody relays in this time is void. */
const withdrawalSeconds = 3_600;

export interface PatientActionsOptions {
  readonly client: ApiClient;
  readonly subject: string;
  /** The enrolled passkey; null: none. */
  readonly credentialId: string | null;
  /** Shows what the home answered. */
  readonly put: (view: PatientConsentView) => void;
  readonly reload: () => void;
  readonly nowMs: () => number;
}

export interface PatientActions {
  readonly asks: AskActions;
  readonly grants: GrantActions;
  readonly choices: ChoiceActions;
  readonly withdraw: Withdraw;
}

/** What a patient does on this page, each by a touch of the passkey where it has to be the patient. */
export function patientActions(options: PatientActionsOptions): PatientActions {
  const { client, subject, put, reload, nowMs } = options;
  const home = consentOf(client, subject);
  const passkeys = browserPasskeys();
  const enrolled = () => {
    if (options.credentialId === null) throw new PasskeyError('Make a passkey first: see “Your passkey” below.');
    return options.credentialId;
  };
  return {
    asks: {
      draft: (askId) => home.draft(askId, null),
      check: checkDraft,
      accept: async (draft, onSecondTouch) => {
        await home.accept(await acceptDraft(draft, enrolled(), passkeys, onSecondTouch));
        put(await home.view());
      },
      refuse: async (askId) => put(await home.refuse(askId)),
      counter: async (askId, price, note) => put(await home.counter(askId, { price, note })),
    },
    grants: {
      revoke: async (grant) => {
        const signature = await revocationOf(grant.grantId, signingOf(grant), enrolled(), passkeys);
        put(await home.revoke(grant.grantId, signature));
      },
      save: async (format, grant) => {
        await home.save(format, grant.grantId);
      },
    },
    choices: {
      enrol: async () => {
        const made = await createPasskey('Consent', passkeys);
        const approval =
          options.credentialId === null ? null : await approvalOf(options.credentialId, made.publicKey, passkeys);
        const publicKey = toBase64Url(made.publicKey);
        put(await home.enrol({ credentialId: made.credentialId, publicKey, approval }));
        return made.hasPrf;
      },
      setAskable: async (isAskable) => put(await home.setAskable(isAskable)),
      save: async (format) => {
        await home.save(format, null);
      },
      erase: async () => put(await home.erase()),
    },
    withdraw: async (earned, to, amount) => {
      const grant = (await home.view()).grants.find(({ grantId }) => grantId === earned.grantId);
      if (grant === undefined) throw new PasskeyError('This consent was erased: its money cannot be drawn from here.');
      const until = Math.floor(nowMs() / 1000) + withdrawalSeconds;
      const { grantId, token, nonce } = earned;
      const draw = { token, to, amount, nonce, until };
      const transaction = await home.withdraw(
        grantId,
        await withdrawalOf(draw, signingOf(grant), enrolled(), passkeys),
      );
      reload();
      return transaction;
    },
  };
}

function signingOf({ signing }: GrantView) {
  if (signing === null) throw new PasskeyError('What was needed to sign for this consent was erased.');
  return signing;
}

/** The old passkey agrees to the new one's key. */
async function approvalOf(credentialId: string, publicKey: Uint8Array, passkeys: ReturnType<typeof browserPasskeys>) {
  const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(publicKey));
  const challenge: Hex = toHexText(new Uint8Array(digest));
  return (await askPasskey(credentialId, { challenge, salt: null }, passkeys)).assertion;
}
