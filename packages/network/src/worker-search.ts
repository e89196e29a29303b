import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';

/** Limits and periods of the search for a worker; see {@link defaultWorkerSearch}. */
export interface WorkerSearchOptions {
  /** A worker that was found is kept so long. */
  readonly termMs: number;
  /** Peers asked at once. */
  readonly askedMax: number;
  /** How long an answer is waited for. */
  readonly questionMs: number;
  /** Pause after a silent round: doubles from the first to the last, each shortened by up to half at random. */
  readonly backOffFirstMs: number;
  readonly backOffLastMs: number;
}

export const defaultWorkerSearch: WorkerSearchOptions = {
  termMs: 10_000,
  askedMax: 8,
  questionMs: 1_000,
  backOffFirstMs: 200,
  backOffLastMs: 5_000,
};

/** Failed peers remembered; past it those that failed longest ago are forgotten. */
export const failedPeersMax = 256;

/** What to do next: ask these at once, or wait so long (or until the net changes) and come again. */
export type SearchStep =
  | { readonly do: 'ask'; readonly peers: readonly PeerId[] }
  | { readonly do: 'wait'; readonly delayMs: number };

/**
 * Who works for us: the first that answered "who is free?", until its term ends or it fails. A failed peer
 * is asked again only when its pause has passed, so another gets the job first. No clock, no wire: times and
 * answers come in, steps go out.
 */
export class WorkerSearch {
  readonly #options: WorkerSearchOptions;
  readonly #random: Random;
  #held: { readonly peer: PeerId; readonly untilMs: number } | undefined;
  #silentRounds = 0;
  readonly #failed = new Map<PeerId, { readonly untilMs: number; readonly count: number }>();

  constructor(options: WorkerSearchOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** The worker whose term runs, if any. */
  worker(nowMs: number): PeerId | undefined {
    if (this.#held !== undefined && nowMs >= this.#held.untilMs) this.#held = undefined;
    return this.#held?.peer;
  }

  /** Whom to ask among `candidates`, or how long to wait. */
  next(candidates: readonly PeerId[], nowMs: number): SearchStep {
    const ready: PeerId[] = [];
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const peer of candidates) {
      const untilMs = this.#failed.get(peer)?.untilMs ?? nowMs;
      if (untilMs <= nowMs) ready.push(peer);
      else soonestMs = Math.min(soonestMs, untilMs - nowMs);
    }
    if (ready.length > 0) return { do: 'ask', peers: this.#random.shuffle(ready).slice(0, this.#options.askedMax) };
    return { do: 'wait', delayMs: Math.min(soonestMs, this.#pause(this.#silentRounds)) };
  }

  /** `peer` was the first to say that it is free: it works for us from now. */
  answered(peer: PeerId, nowMs: number): void {
    this.#silentRounds = 0;
    this.#held = { peer, untilMs: nowMs + this.#options.termMs };
  }

  /** Nobody answered; returns how long to wait before asking again. */
  silent(): number {
    const delayMs = this.#pause(this.#silentRounds);
    this.#silentRounds += 1;
    return delayMs;
  }

  /** Its job failed, or it said that it is busy. */
  failed(peer: PeerId, nowMs: number): void {
    if (this.#held?.peer === peer) this.#held = undefined;
    const count = (this.#failed.get(peer)?.count ?? 0) + 1;
    this.#failed.delete(peer);
    this.#failed.set(peer, { untilMs: nowMs + this.#pause(count - 1), count });
    const oldest = this.#failed.keys().next().value;
    if (this.#failed.size > failedPeersMax && oldest !== undefined) this.#failed.delete(oldest);
  }

  /** Its job succeeded. */
  succeeded(peer: PeerId): void {
    this.#failed.delete(peer);
  }

  /** The net has changed: a new peer may be free at once. */
  changed(): void {
    this.#silentRounds = 0;
  }

  #pause(round: number): number {
    const { backOffFirstMs, backOffLastMs } = this.#options;
    const longestMs = Math.min(backOffLastMs, backOffFirstMs * 2 ** Math.min(round, 30));
    return longestMs * (1 - this.#random.float() / 2);
  }
}
