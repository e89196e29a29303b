import {
  type Checkpoint,
  hashLeaf,
  LeafTree,
  type NoteVerifier,
  openCheckpoint,
  parseVerifierKey,
} from '@pulsemesh/board/verify';
import { sha256 } from '@pulsemesh/crypto';
import { encodeCbor, type PeerId, toHex } from '@pulsemesh/wire';
import type { AlarmView } from '../market/views.ts';
import type { Hex } from '../offer/offer.ts';
import type { AccessReceipt, AccessRecord } from './access-types.ts';
import { hexOf } from './fields.ts';
import { OrdinalBook } from './ordinal-book.ts';
import { type VerifiedAccess, verifyAccessReceipt } from './verify-receipt.ts';

/** A custodian whose log is followed. */
export interface FollowedCustodian {
  readonly peer: PeerId;
  /** Its account on the ledger; null where it has none. */
  readonly account: Hex | null;
  /** C2SP note key of its log. */
  readonly logKey: string;
}

/** A root of a custodian's log, as ledger or board show it. */
export interface SeenAnchor {
  /** Account (ledger) or peer (board). */
  readonly by: Hex | PeerId;
  readonly root: Hex;
  readonly count: number;
}

export interface AccessFollowerOptions {
  readonly custodians: readonly FollowedCustodian[];
  /** Whether a grant may be served from, as far as this home knows: not withdrawn, not over. Default: always. */
  readonly isStanding?: (grantId: Hex, atMs: number) => boolean;
  /** How long a gap, or leaves that were counted and not shown, may stay before it is an alarm; default ten minutes. */
  readonly graceMs?: number;
  /** How long a head may stay without an anchor that covers it; default an hour. */
  readonly anchorWithinMs?: number;
}

/** Limits of an {@link AccessFollower}, for each custodian. */
export const followerLimits = {
  /** Heads that wait for leaves to be compared with; past it the largest are forgotten. */
  headsMax: 4_096,
  /** Leaves that are kept, 64 bytes each; a longer log is compared as far as that. */
  leavesMax: 2 ** 20,
  /** Alarms that are remembered, so that each is told once. */
  alarmsMax: 10_000,
} as const;

/** What a receipt brought. */
export interface FollowedAccesses {
  /** Those that verify, in the order given. */
  readonly accesses: readonly (VerifiedAccess & { readonly receipt: AccessReceipt })[];
  readonly alarms: readonly AlarmView[];
}

interface Followed extends FollowedCustodian {
  readonly verifier: NoteVerifier;
  readonly tree: LeafTree;
  /** Root by size, of heads and anchors that the leaves here do not reach yet. */
  readonly waiting: Map<number, Hex>;
  readonly ordinals: OrdinalBook;
  /** The largest that was shown, by receipt, head or leaves. */
  shown: { size: number; sinceMs: number };
  anchored: number;
  /** Counted on ledger or board and not shown. */
  unshown: { count: number; sinceMs: number } | null;
}

/**
 * Watches custodians' logs for a home: what each shows in receipts, heads and public leaves, and what ledger and board hold of it, in any
 * order and as often as it comes. Whatever does not fit together is an alarm, told once. Holds no file: given again what was received,
 * it knows again what it knew.
 */
export class AccessFollower {
  readonly #options: AccessFollowerOptions;
  readonly #byPeer = new Map<PeerId, Followed>();
  readonly #told = new Set<string>();
  #alarms: AlarmView[] = [];

  /** @throws {MalformedError} for a log key of another form. */
  constructor(options: AccessFollowerOptions) {
    this.#options = options;
    for (const custodian of options.custodians) {
      this.#byPeer.set(custodian.peer, {
        ...custodian,
        verifier: parseVerifierKey(custodian.logKey),
        tree: new LeafTree(),
        waiting: new Map(),
        ordinals: new OrdinalBook(),
        shown: { size: 0, sinceMs: 0 },
        anchored: 0,
        unshown: null,
      });
    }
  }

  /** Takes receipts of accesses that a custodian sent. */
  takeReceipts(peer: PeerId, receipts: readonly AccessReceipt[], nowMs: number): FollowedAccesses {
    const followed = this.#byPeer.get(peer);
    if (followed === undefined) return { accesses: [], alarms: [] };
    const accesses = receipts.flatMap((receipt) => {
      const verified = this.#verified(followed, receipt, nowMs);
      if (verified === null) return [];
      this.#takeHead(followed, verified.checkpoint, nowMs);
      this.#takeRecord(followed, verified.record, hexOf(verified.leaf), nowMs);
      return [{ ...verified, receipt }];
    });
    return { accesses, alarms: this.#drain() };
  }

  /** Takes a head that somebody else was shown, or that the custodian shows to all. */
  takeHead(peer: PeerId, checkpoint: Uint8Array, nowMs: number): readonly AlarmView[] {
    const followed = this.#byPeer.get(peer);
    const head = followed === undefined ? null : headOf(checkpoint, followed.verifier);
    if (followed !== undefined) {
      if (head === null) this.#alarm(followed, 'broken-log', null, nowMs, 'its log shows a head that it did not sign');
      else this.#takeHead(followed, head, nowMs);
    }
    return this.#drain();
  }

  /** Takes public leaves, which begin at index `from`; those that are known already are compared, a gap before them makes them wait. */
  takeLeaves(peer: PeerId, from: number, leaves: readonly Uint8Array[], nowMs: number): readonly AlarmView[] {
    const followed = this.#byPeer.get(peer);
    if (followed === undefined || from > followed.tree.size) return [];
    const { tree, waiting } = followed;
    for (const leaf of leaves.slice(tree.size - from)) {
      if (tree.size >= followerLimits.leavesMax) break;
      tree.append(hashLeaf(leaf));
      const root = waiting.get(tree.size);
      if (root === undefined) continue;
      waiting.delete(tree.size);
      this.#compare(followed, tree.size, root, nowMs);
    }
    return this.#drain();
  }

  /** Takes a root that stands on ledger or board; those of strangers are ignored. */
  takeAnchor({ by, root, count }: SeenAnchor, nowMs: number): readonly AlarmView[] {
    for (const followed of this.#byPeer.values()) {
      if (followed.peer !== by && followed.account !== by) continue;
      followed.anchored = Math.max(followed.anchored, count);
      if (count > followed.shown.size && count > (followed.unshown?.count ?? 0))
        followed.unshown = { count, sinceMs: followed.unshown?.sinceMs ?? nowMs };
      this.#takeRoot(followed, count, root, nowMs);
    }
    return this.#drain();
  }

  /** Whoever gives receipts again kept only the newest of this grant: what is missing until now was seen in a former life. */
  forgive(grantId: Hex): void {
    for (const { ordinals } of this.#byPeer.values()) ordinals.forgive(grantId);
  }

  /** What has been wrong for longer than it may. To be asked from time to time. */
  check(nowMs: number): readonly AlarmView[] {
    const { graceMs = 10 * 60_000, anchorWithinMs = 3_600_000 } = this.#options;
    for (const followed of this.#byPeer.values()) {
      for (const grantId of followed.ordinals.overdue(nowMs - graceMs))
        this.#alarm(followed, 'unlogged-read', grantId, nowMs, 'an access of this grant was counted and not shown');
      const { unshown, shown, anchored } = followed;
      if (unshown !== null && nowMs - unshown.sinceMs > graceMs)
        this.#alarm(followed, 'broken-log', null, nowMs, 'more accesses are anchored than its log shows');
      if (shown.size > anchored && nowMs - shown.sinceMs > anchorWithinMs)
        this.#alarm(followed, 'anchor-missing', null, nowMs, 'its log has not been anchored for too long', shown.size);
    }
    return this.#drain();
  }

  /** Which public leaves would let more of what was shown be compared; null: none. */
  wants(peer: PeerId): { readonly from: number; readonly count: number } | null {
    const followed = this.#byPeer.get(peer);
    const from = followed?.tree.size ?? 0;
    const until = Math.min(Math.max(0, ...(followed?.waiting.keys() ?? [])), followerLimits.leavesMax);
    return until > from ? { from, count: until - from } : null;
  }

  #verified(followed: Followed, receipt: AccessReceipt, nowMs: number): VerifiedAccess | null {
    try {
      return verifyAccessReceipt(receipt, followed);
    } catch {
      // Told apart by what it was a receipt of: the custodian that sent it has to explain each.
      const { grantId } = receipt.record;
      this.#alarm(followed, 'broken-log', grantId, nowMs, 'it sent a receipt that does not verify', receipt.index);
      return null;
    }
  }

  #takeRecord(followed: Followed, record: AccessRecord, leaf: Hex, nowMs: number): void {
    const { grantId, kind, ordinal, atMs, reason } = record;
    if (!followed.ordinals.take(grantId, ordinal, leaf, nowMs))
      this.#alarm(followed, 'split-log', grantId, nowMs, 'it counted two accesses of this grant as one', ordinal);
    if (kind === 'denied' && reason !== null && !harmless.has(reason))
      this.#alarm(followed, 'denied-read', grantId, atMs, `somebody asked without leave (${reason})`, ordinal);
    const isServed = kind === 'read' || kind === 'release';
    if (isServed && this.#options.isStanding?.(grantId, atMs) === false)
      this.#alarm(followed, 'unlogged-read', grantId, atMs, 'it served without a grant that stands', ordinal);
  }

  #takeHead(followed: Followed, { size, root }: Checkpoint, nowMs: number): void {
    if (size > followed.shown.size) {
      const isCovered = followed.shown.size <= followed.anchored;
      followed.shown = { size, sinceMs: isCovered ? nowMs : followed.shown.sinceMs };
    }
    if (followed.unshown !== null && size >= followed.unshown.count) followed.unshown = null;
    this.#takeRoot(followed, size, hexOf(root), nowMs);
  }

  #takeRoot(followed: Followed, size: number, root: Hex, nowMs: number): void {
    const { tree, waiting } = followed;
    if (size <= tree.size) {
      this.#compare(followed, size, root, nowMs);
      return;
    }
    const known = waiting.get(size);
    if (known !== undefined && known !== root)
      this.#alarm(followed, 'split-log', null, nowMs, 'it shows two logs of one length', size);
    if (known !== undefined) return;
    waiting.set(size, root);
    if (waiting.size > followerLimits.headsMax) waiting.delete(Math.max(...waiting.keys()));
  }

  #compare(followed: Followed, size: number, root: Hex, nowMs: number): void {
    if (hexOf(followed.tree.root(size)) === root) return;
    this.#alarm(followed, 'split-log', null, nowMs, 'what it shows here is not what it showed elsewhere', size);
  }

  #alarm(
    { peer }: Followed,
    kind: AlarmView['kind'],
    grantId: Hex | null,
    atMs: number,
    words: string,
    place = 0,
  ): void {
    const alarmId = toHex(sha256(encodeCbor([kind, peer, grantId, words, place]))).slice(0, 32);
    if (this.#told.has(alarmId) || this.#told.size >= followerLimits.alarmsMax) return;
    this.#told.add(alarmId);
    this.#alarms.push({ alarmId, kind, custodian: peer, grantId, atMs, text: `Custodian: ${words}.` });
  }

  #drain(): readonly AlarmView[] {
    const alarms = this.#alarms;
    this.#alarms = [];
    return alarms;
  }
}

/** Denials that nobody has to be alarmed about: the reader may ask again, and will be served. */
const harmless: ReadonlySet<string> = new Set(['ledger-away', 'not-final', 'not-paid', 'quota']);

function headOf(note: Uint8Array, verifier: NoteVerifier): Checkpoint | null {
  try {
    const { checkpoint } = openCheckpoint(note, [verifier]);
    return checkpoint.origin === verifier.name ? checkpoint : null;
  } catch {
    return null; // another form, or somebody else's signature
  }
}
