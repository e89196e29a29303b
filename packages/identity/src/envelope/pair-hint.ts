import type { Random } from '@pulsemesh/base';
import { createHpkeSuite, dhKemX25519, hpkeTagBytes, SealBrokenError, WeakKeyError } from '@pulsemesh/crypto';
import { concatBytes, encodeCbor, fromHex, toHex } from '@pulsemesh/wire';
import { envelopeLimits } from './padding.ts';
import type { EnvelopeOpener, EnvelopeRecipient } from './parties.ts';

const keyBytes = 32;
const sessionBytes = 16;
const none = new Uint8Array(0);
const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
const hintBytes = dhKemX25519.encapsulatedBytes + keyBytes + sessionBytes + hpkeTagBytes;

/** Length of a hint. */
export const pairHintBytes: number = hintBytes;

/** What a hint says. Whoever knows the recipient's key can say anything: it is a hint, not a proof. */
export interface PairHint {
  /** Ed25519, 32 bytes. */
  readonly senderKey: Uint8Array;
  /** As `PairSession.id`. */
  readonly session: string;
}

/**
 * Whose batch it is, and of which session, for a recipient who lost its sessions and finds nothing under a batch's tag: HPKE in base
 * mode to the key of its contact card, {@link pairHintBytes} long. The same one serves for all batches of a session.
 * @throws {WeakKeyError} for a recipient's key that gives no secret.
 */
export function sealPairHint(
  { senderKey, session }: PairHint,
  to: EnvelopeRecipient,
  dependencies: { readonly random: Random },
): Uint8Array {
  const recipientPublicKey = to.sealingKey;
  const sender = suite.createSender({ recipientPublicKey, info: infoOf(recipientPublicKey) }, dependencies);
  return concatBytes(sender.encapsulated, sender.seal(none, concatBytes(senderKey, fromHex(session, sessionBytes))));
}

/** What it says, or null where it was not sealed to us. */
export function openPairHint(hint: Uint8Array, to: EnvelopeOpener): PairHint | null {
  if (hint.length !== hintBytes) return null;
  const encapsulated = hint.subarray(0, dhKemX25519.encapsulatedBytes);
  for (const recipientKey of to.sealingKeys.slice(0, envelopeLimits.recipientKeysMax)) {
    try {
      const recipient = suite.createRecipient({ encapsulated, recipientKey, info: infoOf(recipientKey.publicKey) });
      const said = recipient.open(none, hint.subarray(encapsulated.length));
      return { senderKey: said.slice(0, keyBytes), session: toHex(said.subarray(keyBytes)) };
    } catch (error) {
      if (!(error instanceof SealBrokenError || error instanceof WeakKeyError)) throw error;
    }
  }
  return null;
}

function infoOf(recipientKey: Uint8Array): Uint8Array {
  return encodeCbor(['pulsemesh/pair/1 hint', recipientKey]);
}
