import { assert, Condition } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Trust } from '../trust.ts';

/** Limits of a {@link TrustBook}. */
export const trustLimits = {
  /** Peers whose trust is set; more are refused. */
  knownMax: 4_096,
  /** Peers to which trust is lent; a further one takes the place of the one heard of first. */
  lentMax: 1_024,
  /** Sources that lend to one peer; further ones are not listened to. */
  sourcesMax: 8,
} as const;

/** How much of a source's trust it lends to whom it names (τ). */
const transitivity = 0.9;
/** Less than this is no trust at all. */
const trustMin = 0.1;

/** The book already holds as many peers as it may. */
export class TrustBookFullError extends Condition {
  override readonly name = 'TrustBookFullError';

  constructor() {
    super('trust-book-full', 'trust is set for as many peers as can be', { facts: { peersMax: trustLimits.knownMax } });
  }
}

/**
 * Whom this node trusts, and how far (TAPS, spec overlay §3): set by the user or the authority, or lent, for as long as
 * the peer is held, by those who named it. What is set wins over what is lent. No path is kept and nothing is ever sent,
 * so that a chain of friendships cannot be claimed, only a friend can name strangers.
 */
export class TrustBook implements Trust {
  readonly #known = new Map<PeerId, number>();
  readonly #lent = new Map<PeerId, Map<PeerId, number>>();
  #friends: readonly PeerId[] | undefined;

  /**
   * Sets how far `peer` is trusted: 0 not at all … 1; a hospital of the same authority 0.9, somebody met in person 0.8,
   * say. Everything lent is forgotten, as some of it may have come from there; it is lent again with what is heard next.
   * @throws {TrustBookFullError} when trust is set for too many already.
   */
  set(peer: PeerId, trust: number): void {
    assert(trust >= 0 && trust <= 1, 'trust is 0 … 1');
    if (!this.#known.has(peer) && this.#known.size >= trustLimits.knownMax) throw new TrustBookFullError();
    this.#known.set(peer, trust);
    this.#changed();
  }

  /** Nothing is set for `peer` any more. */
  unset(peer: PeerId): void {
    if (this.#known.delete(peer)) this.#changed();
  }

  of(peer: PeerId): number {
    const known = this.#known.get(peer);
    if (known !== undefined) return known;
    let most = 0;
    for (const trust of this.#lent.get(peer)?.values() ?? []) most = Math.max(most, trust);
    return most;
  }

  heard(peer: PeerId, source: PeerId): void {
    // Most nodes trust nobody: nothing is kept then.
    const lent = peer === source || this.#known.has(peer) ? 0 : transitivity * this.of(source);
    let sources = this.#lent.get(peer);
    if (lent < trustMin) {
      sources?.delete(source);
      if (sources?.size === 0) this.#lent.delete(peer);
      return;
    }
    if (sources === undefined) {
      sources = new Map();
      this.#lent.set(peer, sources);
      if (this.#lent.size > trustLimits.lentMax) this.#lent.delete(this.#lent.keys().next().value as PeerId);
    }
    if (sources.has(source) || sources.size < trustLimits.sourcesMax) sources.set(source, lent);
  }

  forget(peer: PeerId): void {
    this.#lent.delete(peer);
  }

  /** Peers whose trust is set and not below 0.1, most trusted first. */
  friends(): readonly PeerId[] {
    this.#friends ??= [...this.#known]
      .filter(([, trust]) => trust >= trustMin)
      .sort(([, one], [, other]) => other - one)
      .map(([peer]) => peer);
    return this.#friends;
  }

  #changed(): void {
    this.#lent.clear();
    this.#friends = undefined;
  }
}
