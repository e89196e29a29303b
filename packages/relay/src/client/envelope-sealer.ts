import type { Clock, Random } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base/errors';
import {
  type EnvelopeOpener,
  type EnvelopeRecipient,
  type EnvelopeSender,
  type OpenEnvelopeInput,
  openEnvelope,
  sealEnvelope,
} from '@pulsemesh/identity/envelope';
import { concatBytes } from '@pulsemesh/wire';
import { addressOfKey, type InboxId, idBytes } from '../inbox-id.ts';
import type { Sealer } from './types.ts';

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

/** The envelope was sealed by somebody who is not among the contacts. */
export class UnknownSenderError extends Condition {
  override readonly name = 'UnknownSenderError';
  constructor() {
    super('unknown-sender', 'the envelope is by nobody among the contacts');
  }
}

const context = 'pulsemesh/relay/1';

/** Seals with the envelopes of @pulsemesh/identity: sender-authenticated, padded, for one recipient. */
export function createEnvelopeSealer<Contact extends AgentContact>(
  { identity, contactOf, isSenderKeyAccepted }: EnvelopeSealerOptions<Contact>,
  dependencies: { readonly random: Random; readonly clock: Clock },
): Sealer<Contact> {
  const asks = isSenderKeyAccepted === undefined ? {} : { isSenderKeyAccepted };
  const addressOf = ({ publicKey }: Contact) => addressOfKey(publicKey);
  return {
    addressOf,
    inboxOf: (contact) => contact.inbox ?? addressOf(contact),
    seal: (to, bytes, messageId) =>
      sealEnvelope({ from: identity, to, content: concatBytes(messageId, bytes), context }, dependencies),
    open(envelope) {
      const { senderKey, content } = openEnvelope(envelope, { to: identity, context, ...asks });
      const from = contactOf(senderKey);
      if (from === null) throw new UnknownSenderError();
      return { from, messageId: content.subarray(0, idBytes), bytes: content.subarray(idBytes) };
    },
  };
}
