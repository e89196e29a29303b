import type { Clock } from '@pulsemesh/base';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes, decodeCbor, encodeCbor, type PeerId } from '@pulsemesh/wire';
import { AuthorityRefusedError } from './errors.ts';
import { type Invitation, invitationLimits, parseInvitation } from './invitation.ts';
import { judgeCertificate, type Revocations } from './judge.ts';
import type { AuthorityRole } from './limits.ts';

/** What somebody shows at login; `LoginClaim` of the link fits. */
export interface AdmissionClaim {
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  readonly invitation: Uint8Array | null;
}

/** The answer; the link's `Admission` is the same. */
export type AdmissionVerdict =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'guest' }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string };

export interface AdmissionOptions {
  /** Roots that count, DER. */
  readonly roots: () => readonly Uint8Array[];
  readonly revocations: () => Revocations | null;
  /** True for who is revoked for good, whatever they show. */
  readonly isRevoked: (peer: PeerId) => boolean;
  /** Roles that are let in; default all. */
  readonly roles?: readonly AuthorityRole[];
  /** The relay's own peer id: its invitations count, and invitations are for it. Null: none count. */
  readonly relay: PeerId | null;
  /** Others whose invitations count. */
  readonly inviters?: ReadonlySet<PeerId>;
  /** Peers that are let in without showing anything. */
  readonly allowed?: ReadonlySet<string>;
  /** Where the uses of invitations are counted; not disposed here. */
  readonly store: TableStore;
}

const usesTable = 'invitation-uses';
/** Places taken over all invitations; past it those of expired ones are freed, and where none is, nobody new is let in. */
const usesRowsMax = 100_000;

/**
 * Judges logins: a certificate, an invitation, or a name on the list lets in; with none of them one is a guest, who can
 * enrol and no more; a credential that does not count is refused with its own code. Fits `admit` of a link's server. Never throws.
 */
export function createAdmission(
  options: AdmissionOptions,
  { clock }: { readonly clock: Clock },
): (claim: AdmissionClaim) => Promise<AdmissionVerdict> {
  const uses = new InvitationUses(options.store);
  return async (claim) => {
    if (options.isRevoked(claim.peerId)) return refused('certificate-revoked', 'this key was revoked here');
    if (options.allowed?.has(claim.peerId)) return { kind: 'admitted' };
    if (claim.certificates.length > 0) return byCertificate(claim, options, clock.now());
    if (claim.invitation !== null) return byInvitation(claim, claim.invitation, options, uses, clock.now());
    return { kind: 'guest' };
  };
}

function byCertificate(claim: AdmissionClaim, options: AdmissionOptions, now: number): AdmissionVerdict {
  const { roots, revocations, roles } = options;
  const judgement = judgeCertificate({
    certificates: claim.certificates,
    peerId: claim.peerId,
    publicKey: claim.publicKey,
    roots: roots(),
    crl: revocations(),
    now,
    ...(roles === undefined ? {} : { roles }),
  });
  return judgement.ok ? { kind: 'admitted' } : refused(`certificate-${judgement.code}`, judgement.text);
}

async function byInvitation(
  { peerId }: AdmissionClaim,
  bytes: Uint8Array,
  options: AdmissionOptions,
  uses: InvitationUses,
  now: number,
): Promise<AdmissionVerdict> {
  try {
    const invitation = parseInvitation(bytes);
    const mayInvite = invitation.by === options.relay || options.inviters?.has(invitation.by) === true;
    if (options.isRevoked(invitation.by) || !mayInvite || invitation.relay !== options.relay)
      return refused('invitation-foreign', 'this invitation is not for this relay, or not of somebody who may invite');
    if (invitation.peer !== null && invitation.peer !== peerId)
      return refused('invitation-of-another', 'this invitation is for somebody else');
    if (invitation.expiresMs < now || invitation.expiresMs > now + invitationLimits.msMax)
      return refused('invitation-expired', 'this invitation has expired');
    const isThere = await uses.take(invitation, peerId, now);
    return isThere ? { kind: 'admitted' } : refused('invitation-used', 'this invitation has let in as many as it may');
  } catch (error) {
    if (error instanceof AuthorityRefusedError) return refused('invitation-malformed', 'this is no invitation');
    return refused('busy', 'this cannot be looked up now: try again');
  }
}

/** Counts peers, not logins: who was let in once comes in again. Durable before it answers; one at a time. */
class InvitationUses {
  readonly #store: TableStore;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: TableStore) {
    this.#store = store;
  }

  /** True when `peer` is, or now becomes, one of those the invitation lets in. @throws what the store throws. */
  take(invitation: Invitation, peer: PeerId, now: number): Promise<boolean> {
    const run = this.#last.then(() => this.#take(invitation, peer, now));
    this.#last = run.catch(() => {});
    return run;
  }

  async #take({ id, uses, expiresMs }: Invitation, peer: PeerId, now: number): Promise<boolean> {
    const range = { from: placeKey(id, 0), until: placeKey(id, invitationLimits.usesMax + 1) };
    const taken = [...this.#store.range(usesTable, range)].map(({ value }) => readUse(value).peer);
    if (taken.includes(peer)) return true;
    if (taken.length >= uses) return false;
    const changes: TableChange[] = [];
    if (this.#store.count(usesTable) >= usesRowsMax) {
      for (const { key, value } of this.#store.range(usesTable))
        if (readUse(value).expiresMs < now) changes.push({ kind: 'remove', table: usesTable, key });
      if (changes.length === 0) return false;
    }
    const value = encodeCbor([peer, expiresMs]);
    await this.#store.commit([...changes, { kind: 'put', table: usesTable, key: placeKey(id, taken.length), value }]);
    return true;
  }
}

function placeKey(id: Uint8Array, index: number): Uint8Array {
  return concatBytes(id, Uint8Array.of(index >> 8, index & 0xff));
}

function readUse(value: Uint8Array): { readonly peer: unknown; readonly expiresMs: number } {
  const [peer, expiresMs] = decodeCbor(value) as [unknown, number]; // written above
  return { peer, expiresMs };
}

function refused(code: string, text: string): AdmissionVerdict {
  return { kind: 'refused', code: code.slice(0, 64), text };
}
