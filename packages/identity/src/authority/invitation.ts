import { sha256 } from '@pulsemesh/crypto';
import { type PeerId, parsePeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { bytesOf, integerOf, mapOf, optional, secondsOf, timeOf } from '../fields.ts';
import { isSignedBy, type Signatory, signFields, splitSigned } from '../signed.ts';
import { AuthorityRefusedError } from './errors.ts';

const invitationKind = 'pulsemesh/invitation/1';

/** Limits of invitations. */
export const invitationLimits = {
  bytesMax: 512,
  /** Peers one invitation may let in. */
  usesMax: 1_000,
  msMax: 400 * 86_400_000,
} as const;

/** A statement that lets somebody in at a relay, without a certificate. */
export interface Invitation {
  /** Who signed it. */
  readonly by: PeerId;
  /** The relay it is for. */
  readonly relay: PeerId;
  /** The only one it is for; null: whoever holds it. */
  readonly peer: PeerId | null;
  /** How many different peers it lets in. */
  readonly uses: number;
  readonly expiresMs: number;
  /** SHA-256 of it. */
  readonly id: Uint8Array;
}

export interface InvitationFacts {
  readonly relay: PeerId;
  readonly peer?: PeerId;
  /** Default 1. */
  readonly uses?: number;
  readonly expiresMs: number;
  /** 16 random bytes: two invitations are never the same. */
  readonly nonce: Uint8Array;
}

/** Signs an invitation: the relay's own key, or an agent's who may invite. */
export function signInvitation(signatory: Signatory, facts: InvitationFacts): Uint8Array {
  const { relay, peer = null, uses = 1, expiresMs, nonce } = facts;
  const fields = { v: 1, key: signatory.publicKey, relay, peer, uses, expires: secondsOf(expiresMs), nonce };
  return signFields(invitationKind, fields, [signatory]);
}

/** @throws {AuthorityRefusedError} `malformed`, `bad-signature`. Does not know the time, nor who may invite. */
export function parseInvitation(bytes: Uint8Array): Invitation {
  const { signed, key, invitation } = AuthorityRefusedError.reading(() => {
    const parts = splitSigned(bytes, { bytesMax: invitationLimits.bytesMax, count: 1 });
    const keys = ['v', 'key', 'relay', 'peer', 'uses', 'expires', 'nonce'];
    const map = mapOf(parts.body, keys, { bytesMax: invitationLimits.bytesMax, depthMax: 1 });
    integerOf(map['v'], 1, 1);
    bytesOf(map['nonce'], 16);
    const signer = bytesOf(map['key'], 32);
    const read: Invitation = {
      by: peerIdOfEd25519(signer),
      relay: peerOf(map['relay']),
      peer: optional(map['peer'], peerOf),
      uses: integerOf(map['uses'], 1, invitationLimits.usesMax),
      expiresMs: timeOf(map['expires']),
      id: sha256(bytes),
    };
    return { signed: parts, key: signer, invitation: read };
  });
  if (!isSignedBy(invitationKind, signed, 0, key)) throw new AuthorityRefusedError('bad-signature');
  return invitation;
}

function peerOf(value: unknown): PeerId {
  if (typeof value !== 'string') throw new TypeError('peer');
  return parsePeerId(value);
}
