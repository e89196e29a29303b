import type { Clock } from '@pulsemesh/base';
import {
  type PairSession,
  PairStateError,
  PairUnansweredError,
  pairTagOf,
  SealRefusedError,
} from '@pulsemesh/identity/envelope';
import { DecodeError, decodeCbor, encodeCbor, equalBytes, fromHex, toHex } from '@pulsemesh/wire';
import { idBytes } from '../../inbox-id.ts';
import type { PairKeys } from '../types.ts';
import { encodePairFrame, type PairFrame } from './pair-frame.ts';
import type { PairUseLimits } from './pair-limits.ts';
import type { PairChange, PairRow } from './pair-store.ts';

/** A session with one peer, and since when and under which keys. */
export interface HeldSession {
  readonly session: PairSession;
  readonly publicKey: Uint8Array;
  /** The X25519 keys that the two contact cards showed when it began. */
  readonly own: Uint8Array;
  readonly theirs: Uint8Array;
  readonly sinceMs: number;
  readonly begunBy: 'us' | 'them';
  sealedCount: number;
  /** Not written in any more: the other side lost it. */
  isRetired: boolean;
  tags: readonly string[];
  hint: Uint8Array | null;
  isDirty: boolean;
}

/** What a frame turned out to be. `lost`: there is no such session, or it does not open: whoever sealed it has to be told. */
export type Peeked<Contact> =
  | {
      readonly kind: 'opened';
      readonly held: HeldSession;
      readonly from: Contact;
      readonly messages: readonly Uint8Array[];
    }
  | { readonly kind: 'lost' };

const rowVersion = 1;

/** The pair sessions of a client: which is written in, whose a batch is, and what of them is to be kept. Does nothing by itself. */
export class PairBook<Contact> {
  readonly #keys: PairKeys<Contact>;
  readonly #limits: PairUseLimits;
  readonly #clock: Clock;
  readonly #held = new Map<string, HeldSession>();
  readonly #byTag = new Map<string, HeldSession>();
  /** By the peer's key in hex. */
  readonly #byPeer = new Map<string, HeldSession[]>();

  constructor(
    rows: readonly PairRow[],
    keys: PairKeys<Contact>,
    { limits, clock }: { readonly limits: PairUseLimits; readonly clock: Clock },
  ) {
    this.#keys = keys;
    this.#limits = limits;
    this.#clock = clock;
    for (const row of rows) {
      const held = readRow(row, keys);
      if (held !== null) this.#hold(held);
    }
  }

  get count(): number {
    return this.#held.size;
  }

  /**
   * The session to write to a contact in, that the other side is known to have, while the keys of both cards are what they were: the one
   * named, for as long as it can be, else the newest.
   */
  sessionTo(contact: Contact, underWay?: string): HeldSession | null {
    const publicKey = this.#keys.keyOf(contact);
    const { own, theirs } = this.#keys.sealingKeysOf(contact);
    const { writeMsMax, writeCountMax } = this.#limits;
    const nowMs = this.#clock.now();
    const fits = this.#of(publicKey).filter(
      (held) =>
        !held.isRetired &&
        (held.begunBy === 'them' || held.session.isConfirmed) &&
        Math.abs(nowMs - held.sinceMs) < writeMsMax &&
        held.sealedCount < writeCountMax &&
        equalBytes(held.own, own) &&
        equalBytes(held.theirs, theirs),
    );
    return fits.find(({ session }) => session.id === underWay) ?? newestOf(fits);
  }

  /** True where who writes to us (in `held`, or in envelopes) should be offered a new session. */
  isOfferDue(held: HeldSession | null): boolean {
    return held === null || this.#clock.now() - held.sinceMs > this.#limits.renewMs;
  }

  /** A new session for the contact to write in. The changes are to be kept before the handshake is let go. */
  begin(to: Contact): { readonly handshake: Uint8Array; readonly changes: readonly PairChange[] } {
    const { session, handshake } = this.#keys.begin(to);
    return { handshake, changes: this.#add(session, to, 'us') };
  }

  /** Takes up a session that the contact began; nothing where it is known, too old or from the future. @throws {SealRefusedError} */
  accept(from: Contact, handshake: Uint8Array): readonly PairChange[] {
    const { session, senderKey, createdMs } = this.#keys.accept(handshake);
    if (!equalBytes(senderKey, this.#keys.keyOf(from))) throw new SealRefusedError('sender');
    const ageMs = this.#clock.now() - createdMs;
    if (ageMs > this.#limits.handshakeMsMax || ageMs < -this.#limits.skewMs) return [];
    return this.#held.has(session.id) ? [] : this.#add(session, from, 'them');
  }

  #add(session: PairSession, contact: Contact, begunBy: HeldSession['begunBy']): readonly PairChange[] {
    const held: HeldSession = {
      session,
      publicKey: this.#keys.keyOf(contact),
      ...this.#keys.sealingKeysOf(contact),
      sinceMs: this.#clock.now(),
      begunBy,
      sealedCount: 0,
      isRetired: false,
      tags: [],
      hint: null,
      isDirty: false,
    };
    const removed = this.#makeRoom(held.publicKey);
    this.#hold(held);
    return [...removed, changeOf(held)];
  }

  /**
   * Seals in a session; null where it takes no more without an answer. The change is to be kept before the frame is let go.
   * @throws {ContentTooLargeError}
   */
  seal(
    held: HeldSession,
    to: Contact,
    messages: readonly Uint8Array[],
  ): { readonly frame: Uint8Array; readonly change: PairChange } | null {
    try {
      const batch = held.session.seal(messages);
      held.hint ??= this.#keys.sealHint(to, held.session.id);
      held.sealedCount += 1;
      this.#indexTags(held);
      return { frame: encodePairFrame({ hint: held.hint, batch }), change: this.#clean(held) };
    } catch (error) {
      if (error instanceof PairUnansweredError) return null;
      throw error;
    }
  }

  /** Opens a frame so that it opens again, until it is {@link forget}. */
  peek({ batch }: PairFrame): Peeked<Contact> {
    const held = this.#byTag.get(pairTagOf(batch) ?? '');
    const from = held === undefined ? null : this.#keys.contactOf(held.publicKey);
    // A card that shows another sealing key than at the beginning: the old one may have been taken.
    if (held === undefined || from === null || !equalBytes(this.#keys.sealingKeysOf(from).theirs, held.theirs)) {
      return { kind: 'lost' };
    }
    try {
      const messages = held.session.peek(batch);
      this.#indexTags(held);
      held.isDirty = true;
      return { kind: 'opened', held, from, messages };
    } catch (error) {
      if (!(error instanceof SealRefusedError)) throw error;
      return { kind: 'lost' };
    }
  }

  /** What a frame said is durable: its key goes. */
  forget(held: HeldSession, { batch }: PairFrame): void {
    held.session.forget(batch);
    this.#indexTags(held);
    held.isDirty = true;
  }

  /** Writes no more in a session; nothing where there is none of this peer. */
  retire(id: string, publicKey: Uint8Array): readonly PairChange[] {
    const held = this.#held.get(id);
    if (held === undefined || held.isRetired || !equalBytes(held.publicKey, publicKey)) return [];
    held.isRetired = true;
    return [this.#clean(held)];
  }

  /** What changed by reading since it was last kept. */
  dirty(): readonly PairChange[] {
    return [...this.#held.values()].filter(({ isDirty }) => isDirty).map((held) => this.#clean(held));
  }

  /** Forgets sessions that nothing can come in any more. */
  sweep(): readonly PairChange[] {
    const beforeMs = this.#clock.now() - this.#limits.readMsMax;
    return [...this.#held.values()].filter(({ sinceMs }) => sinceMs < beforeMs).map((held) => this.#drop(held));
  }

  #clean(held: HeldSession): PairChange {
    held.isDirty = false;
    return changeOf(held);
  }

  #of(publicKey: Uint8Array): HeldSession[] {
    return this.#byPeer.get(toHex(publicKey)) ?? [];
  }

  #makeRoom(publicKey: Uint8Array): readonly PairChange[] {
    const { sessionsPerPeerMax, sessionsMax } = this.#limits;
    const ofPeer = this.#of(publicKey);
    const tooMany = ofPeer.length >= sessionsPerPeerMax ? ofPeer : [...this.#held.values()];
    if (tooMany.length < (tooMany === ofPeer ? sessionsPerPeerMax : sessionsMax)) return [];
    const oldest = tooMany.reduce((one, other) => (other.sinceMs < one.sinceMs ? other : one));
    return [this.#drop(oldest)];
  }

  #hold(held: HeldSession): void {
    this.#held.set(held.session.id, held);
    const peer = toHex(held.publicKey);
    this.#byPeer.set(peer, [...(this.#byPeer.get(peer) ?? []), held]);
    this.#indexTags(held);
  }

  #drop(held: HeldSession): PairChange {
    this.#held.delete(held.session.id);
    for (const tag of held.tags) this.#byTag.delete(tag);
    const peer = toHex(held.publicKey);
    const others = this.#of(held.publicKey).filter((one) => one !== held);
    if (others.length === 0) this.#byPeer.delete(peer);
    else this.#byPeer.set(peer, others);
    return { kind: 'session', key: fromHex(held.session.id, idBytes), value: null };
  }

  #indexTags(held: HeldSession): void {
    const { tags } = held.session;
    if (tags.length === held.tags.length && tags.every((tag, index) => tag === held.tags[index])) return;
    for (const tag of held.tags) this.#byTag.delete(tag);
    for (const tag of tags) this.#byTag.set(tag, held);
    held.tags = tags;
  }
}

function newestOf(sessions: readonly HeldSession[]): HeldSession | null {
  const isNewer = (one: HeldSession, other: HeldSession) =>
    one.sinceMs === other.sinceMs ? one.session.id < other.session.id : one.sinceMs > other.sinceMs;
  return sessions.reduce<HeldSession | null>((best, one) => (best === null || isNewer(one, best) ? one : best), null);
}

function changeOf({
  session,
  publicKey,
  own,
  theirs,
  sinceMs,
  begunBy,
  sealedCount,
  isRetired,
}: HeldSession): PairChange {
  const facts = [rowVersion, publicKey, own, theirs, sinceMs, begunBy === 'us', sealedCount, isRetired];
  return { kind: 'session', key: fromHex(session.id, idBytes), value: encodeCbor([...facts, session.toBytes()]) };
}

/** Written by this program only; a row of another version, or a damaged one, is as good as none. */
function readRow({ value }: PairRow, keys: Pick<PairKeys<unknown>, 'restore'>): HeldSession | null {
  try {
    const fields = decodeCbor(value);
    if (!Array.isArray(fields) || fields.length !== 9 || fields[0] !== rowVersion) return null;
    const [, publicKey, own, theirs, sinceMs, isOurs, sealedCount, isRetired, state] = fields as [
      number,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      number,
      boolean,
      number,
      boolean,
      Uint8Array,
    ];
    const session = keys.restore(state);
    const begunBy = isOurs ? 'us' : 'them';
    return {
      session,
      publicKey,
      own,
      theirs,
      sinceMs,
      begunBy,
      sealedCount,
      isRetired,
      tags: [],
      hint: null,
      isDirty: false,
    };
  } catch (error) {
    if (error instanceof DecodeError || error instanceof PairStateError) return null;
    throw error;
  }
}
