import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';

/** How failed dials hold back later ones. */
export const dialLimits = {
  firstWaitMs: 1_000,
  waitMsMax: 300_000,
  /** Whoever had no room is asked again so soon, and in vain so often, where something is to be sent; then that is dropped. */
  fullWaitMs: 750,
  fullTriesMax: 3,
  /** Peers whose failures are remembered; the one that failed longest ago is forgotten first. */
  peersMax: 1_024,
} as const;

interface Failure {
  readonly count: number;
  readonly atMs: number;
  readonly untilMs: number;
  readonly isFull: boolean;
}

/** Remembers which peers could not be dialled, and when they may be tried again: twice as late after each failure. */
export class DialMemory {
  readonly #random: Random;
  readonly #failed = new Map<PeerId, Failure>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether a peer may be dialled only to be connected. */
  mayDial(peer: PeerId, nowMs: number): boolean {
    return nowMs >= (this.#failed.get(peer)?.untilMs ?? 0);
  }

  /** Whether a peer may be dialled for what is to be sent: one that lives may have room again at any time. */
  mayDialToSend(peer: PeerId, nowMs: number): boolean {
    const failure = this.#failed.get(peer);
    return failure?.isFull ? nowMs >= failure.atMs + dialLimits.fullWaitMs : this.mayDial(peer, nowMs);
  }

  /** Whether a peer was there when it was dialled last, and had no room. */
  isFull(peer: PeerId): boolean {
    return this.#failed.get(peer)?.isFull === true;
  }

  /** A dial failed; `isFull`: the peer was there, and turned us away. */
  failed(peer: PeerId, nowMs: number, isFull = false): void {
    const count = (this.#failed.get(peer)?.count ?? 0) + 1;
    const waitMs = Math.min(dialLimits.waitMsMax, dialLimits.firstWaitMs * 2 ** (count - 1));
    const untilMs = nowMs + waitMs * (0.75 + this.#random.float() / 2);
    this.#failed.delete(peer);
    this.#failed.set(peer, { count, atMs: nowMs, untilMs, isFull });
    if (this.#failed.size > dialLimits.peersMax) this.#failed.delete(this.#failed.keys().next().value as PeerId);
  }

  succeeded(peer: PeerId): void {
    this.#failed.delete(peer);
  }
}

/** What ends a dial after somebody has answered it: libp2p shuts the door on whom it has no room for without a word. */
const turnedAwayBy = new Set(['EncryptionFailedError', 'UnexpectedEOFError', 'ECONNRESET', 'EPIPE']);

/** Whether a dial failed because the other end took the call and hung up: it lives, and has as many connections as it takes. */
export function isTurnedAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errors = [] } = error as { code?: unknown; errors?: readonly unknown[] }; // of system and aggregate errors
  return turnedAwayBy.has(error.name) || turnedAwayBy.has(String(code)) || errors.some(isTurnedAway);
}
