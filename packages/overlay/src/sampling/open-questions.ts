import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';

/** Bounds of {@link OpenQuestions}. */
export interface OpenQuestionsOptions {
  /** How long an answer is waited for, milliseconds. */
  readonly timeoutMs: number;
  /** How many questions may be open; further ones are not asked. */
  readonly openMax: number;
}

/** The questions that wait for an answer, at most one a peer: only what was asked for is taken. */
export class OpenQuestions {
  readonly #options: OpenQuestionsOptions;
  readonly #random: Random;
  /** In the order of asking, which with one time for all is the order of running out. */
  readonly #open = new Map<PeerId, { readonly nonce: number; readonly deadlineMs: number }>();

  constructor(options: OpenQuestionsOptions, dependencies: { readonly random: Random }) {
    this.#options = options;
    this.#random = dependencies.random;
  }

  /** Opens a question to `peer` and returns its nonce; nothing where one is open already, or too many are. */
  ask(peer: PeerId, nowMs: number): number | undefined {
    if (this.#open.has(peer) || this.#open.size >= this.#options.openMax) return undefined;
    const nonce = this.#random.integer(2 ** 24) * 2 ** 24 + this.#random.integer(2 ** 24);
    this.#open.set(peer, { nonce, deadlineMs: nowMs + this.#options.timeoutMs });
    return nonce;
  }

  get size(): number {
    return this.#open.size;
  }

  isOpen(peer: PeerId): boolean {
    return this.#open.has(peer);
  }

  /** Whether `peer` answers what it was asked; the question is closed then. */
  close(peer: PeerId, nonce: number): boolean {
    if (this.#open.get(peer)?.nonce !== nonce) return false;
    return this.#open.delete(peer);
  }

  /** Forgets what `peer` was asked. */
  drop(peer: PeerId): void {
    this.#open.delete(peer);
  }

  /** Closes what has waited too long and returns who did not answer. */
  expire(nowMs: number): PeerId[] {
    const silent: PeerId[] = [];
    for (const [peer, { deadlineMs }] of this.#open) {
      if (deadlineMs > nowMs) break;
      silent.push(peer);
      this.#open.delete(peer);
    }
    return silent;
  }

  /** When the first of them runs out, infinite where none is open. */
  get dueAtMs(): number {
    for (const { deadlineMs } of this.#open.values()) return deadlineMs;
    return Number.POSITIVE_INFINITY;
  }
}
