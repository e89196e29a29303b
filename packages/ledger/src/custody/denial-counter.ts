import type { PeerId } from '@pulsemesh/wire';
import { custodyLimits } from './custody-limits.ts';

const hourMs = 3_600_000;

/** How often each sender was told no within an hour, so that nobody fills the log by asking. */
export class DenialCounter {
  readonly #perHourMax: number;
  readonly #counts = new Map<PeerId, { sinceMs: number; count: number }>();

  constructor(perHourMax: number) {
    this.#perHourMax = perHourMax;
  }

  /** False where this sender has had its share, or too many others are counted. */
  take(sender: PeerId, nowMs: number): boolean {
    const known = this.#counts.get(sender);
    if (known !== undefined && nowMs - known.sinceMs < hourMs) {
      known.count += 1;
      return known.count <= this.#perHourMax;
    }
    this.#counts.delete(sender);
    this.#forgetOld(nowMs);
    if (this.#counts.size >= custodyLimits.strangersMax) return false;
    this.#counts.set(sender, { sinceMs: nowMs, count: 1 });
    return true;
  }

  /** The oldest come first. */
  #forgetOld(nowMs: number): void {
    for (const [sender, { sinceMs }] of this.#counts) {
      if (nowMs - sinceMs < hourMs) return;
      this.#counts.delete(sender);
    }
  }
}
