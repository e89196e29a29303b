import type { Random } from '@pulsemesh/base';
import * as timing from './ladder-timing.ts';

/** Why an attempt came to nothing. */
export interface AttemptFailure {
  readonly code: string;
  readonly reason: string;
  /** The other end asked for this long, milliseconds. */
  readonly retryAfterMs?: number;
}

/** What was learned of one transport on this network. */
export class TransportRecord {
  lastFailure: AttemptFailure | null = null;
  /** When it is worth trying again, milliseconds. */
  nextTryMs = 0;
  heartbeatMs: number;
  /** How long its connections are allowed to live, where some box has such a rule. */
  lifetimeMs: number | null;
  #failures = 0;
  #ages: number[] = [];

  constructor(known: { readonly heartbeatMs?: number | undefined; readonly lifetimeMs?: number | undefined }) {
    this.heartbeatMs = Math.max(timing.heartbeatMsMin, known.heartbeatMs ?? timing.heartbeatMsStart);
    this.lifetimeMs = known.lifetimeMs ?? null;
  }

  /** At what age a carrier is replaced, milliseconds. */
  get replaceAfterMs(): number {
    return this.lifetimeMs === null ? Number.POSITIVE_INFINITY : this.lifetimeMs * timing.replaceAtShare;
  }

  failed(failure: AttemptFailure, nowMs: number, random: Random): void {
    const { retryAfterMs } = timing;
    const delayMs = retryAfterMs[Math.min(this.#failures, retryAfterMs.length - 1)] as number;
    this.#failures += 1;
    this.lastFailure = failure;
    // Jitter, so that all agents behind one box do not come at once.
    this.nextTryMs = nowMs + Math.max(delayMs, failure.retryAfterMs ?? 0) * (0.8 + 0.4 * random.float());
  }

  /** It was in use for long enough to be trusted again. */
  sound(): void {
    this.#failures = 0;
    this.nextTryMs = 0;
  }

  /** A connection was cut by something on the way. */
  cut(end: { readonly ageMs: number; readonly idleMs: number }): void {
    if (end.idleMs >= timing.heartbeatMsMin / 2) {
      this.heartbeatMs = Math.max(timing.heartbeatMsMin, Math.min(this.heartbeatMs, end.idleMs) / 2);
    }
    const isSame = (ageMs: number) => Math.abs(ageMs - end.ageMs) <= Math.max(timing.sameAgeMs, end.ageMs / 10);
    if (end.ageMs >= timing.soundMs && this.#ages.some(isSame)) {
      this.lifetimeMs = Math.min(end.ageMs, ...this.#ages.filter(isSame));
    }
    this.#ages = [...this.#ages, end.ageMs].slice(-timing.agesMax);
  }
}
