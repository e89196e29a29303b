import type { Clock, Random } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base/errors';
import {
  acceptPairSession,
  type EnvelopeOpener,
  type EnvelopeRecipient,
  type EnvelopeSender,
  type OpenEnvelopeInput,
  openEnvelope,
  openPairHint,
  restorePairSession,
  sealEnvelope,
  sealPairHint,
  startPairSession,
} from '@pulsemesh/identity/envelope';
import { concatBytes } from '@pulsemesh/wire';
import { addressOfKey, type InboxId, idBytes } from '../inbox-id.ts';
import { envelopeIdOf, kindOfEnvelope } from './pairs/envelope-kind.ts';
import type { PairKeys, Sealer } from './types.ts';

/** What a client knows of another agent, from its contact card. */
export interface AgentContact extends EnvelopeRecipient {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The inbox to use now; default its address. */
  readonly inbox?: InboxId;
}

export interface EnvelopeSealerOptions<Contact extends AgentContact> {
  /** An `Identity` fits. */
  readonly identity: EnvelopeSender & EnvelopeOpener;
  /** Who holds this key; null: nobody we take messages from. */
  readonly contactOf: (publicKey: Uint8Array) => Contact | null;
  /** As of `openEnvelope`; default yes. */
  readonly isSenderKeyAccepted?: OpenEnvelopeInput['isSenderKeyAccepted'];
}

/** The envelope was sealed by somebody who is not among the contacts, and is theirs: it opened. */
export class UnknownSenderError extends Condition {
  override readonly name = 'UnknownSenderError';
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  constructor(publicKey: Uint8Array) {
    super('unknown-sender', 'the envelope is by nobody among the contacts');
    this.publicKey = publicKey;
  }
}

const context = 'pulsemesh/relay/1';

/** Seals with the envelopes and pair sessions of @pulsemesh/identity: sender-authenticated, padded, for one recipient. */
export function createEnvelopeSealer<Contact extends AgentContact>(
  options: EnvelopeSealerOptions<Contact>,
  dependencies: { readonly random: Random; readonly clock: Clock },
): Sealer<Contact> & { readonly pairs: PairKeys<Contact> } {
  const { identity, contactOf } = options;
  const addressOf = ({ publicKey }: Contact) => addressOfKey(publicKey);
  return {
    addressOf,
    inboxOf: (contact) => contact.inbox ?? addressOf(contact),
    seal(to, bytes, messageId, kind = 'plain') {
      const id = envelopeIdOf(kind, dependencies.random);
      const content = concatBytes(messageId, bytes);
      return sealEnvelope({ from: identity, to, content, context, ...(id && { messageId: id }) }, dependencies);
    },
    open(envelope) {
      const { senderKey, content, messageId } = openEnvelope(envelope, { to: identity, context, ...asksOf(options) });
      const from = contactOf(senderKey);
      if (from === null) throw new UnknownSenderError(senderKey);
      const kind = kindOfEnvelope(messageId);
      return { from, kind, messageId: content.subarray(0, idBytes), bytes: content.subarray(idBytes) };
    },
    pairs: pairKeysOf(options, dependencies),
  };
}

function asksOf({ isSenderKeyAccepted }: Pick<EnvelopeSealerOptions<AgentContact>, 'isSenderKeyAccepted'>) {
  return isSenderKeyAccepted === undefined ? {} : { isSenderKeyAccepted };
}

function pairKeysOf<Contact extends AgentContact>(
  options: EnvelopeSealerOptions<Contact>,
  dependencies: { readonly random: Random; readonly clock: Clock },
): PairKeys<Contact> {
  const { identity, contactOf } = options;
  return {
    keyOf: ({ publicKey }) => publicKey,
    contactOf,
    sealingKeysOf: ({ sealingKey }) => ({ own: identity.sealing.publicKey, theirs: sealingKey }),
    begin: (to) => startPairSession({ from: identity, to }, dependencies),
    accept(handshake) {
      const accepted = acceptPairSession(handshake, { to: identity, ...asksOf(options) }, dependencies);
      const { senderKey, createdMs } = accepted.handshake;
      return { session: accepted.session, senderKey, createdMs };
    },
    restore: (state) => restorePairSession(state, dependencies),
    sealHint: (to, session) => sealPairHint({ senderKey: identity.publicKey, session }, to, dependencies),
    openHint: (hint) => openPairHint(hint, identity),
  };
}
