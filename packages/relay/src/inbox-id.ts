import type { Brand } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, DecodeError, fromHex, toHex } from '@pulsemesh/wire';

/** A mailbox at a relay, as text: 32 lower-case hex digits of its 16 bytes. Says nothing about its owner. */
export type InboxId = Brand<string, 'InboxId'>;

/** Bytes of an inbox id, a message id and a topic id on the wire. */
export const idBytes = 16;

/** The inbox id of 16 bytes. @throws {DecodeError} for another length. */
export function inboxIdOf(bytes: Uint8Array): InboxId {
  if (bytes.length !== idBytes) throw new DecodeError('an inbox id is 16 bytes');
  return toHex(bytes) as InboxId; // checked above
}

/** The inbox id a text names. @throws {DecodeError} unless it is 32 lower-case hex digits. */
export function parseInboxId(text: string): InboxId {
  fromHex(text, idBytes);
  return text as InboxId; // checked above
}

/** The 16 bytes of an inbox id. */
export function inboxBytes(inbox: InboxId): Uint8Array {
  return fromHex(inbox, idBytes);
}

/** The inbox whose owner is whoever shows `token` (32 random bytes): the first 16 bytes of SHA-256(token). */
export function inboxIdOfToken(token: Uint8Array): InboxId {
  return inboxIdOf(sha256(token).subarray(0, idBytes));
}

const addressHead = new TextEncoder().encode('pulsemesh/peer-inbox');

/**
 * An agent's address: an inbox that its key owns without a token, and where streams to it go.
 * The first 16 bytes of SHA-256("pulsemesh/peer-inbox" ‖ public key).
 */
export function addressOfKey(publicKey: Uint8Array): InboxId {
  return inboxIdOf(sha256(concatBytes(addressHead, publicKey)).subarray(0, idBytes));
}
