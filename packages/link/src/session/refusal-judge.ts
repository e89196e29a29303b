import type { Clock } from '@pulsemesh/base';
import type { CarrierSlot } from './carrier-slot.ts';
import { sessionConstants } from './limits.ts';

export interface RefusalJudgeDependencies {
  readonly clock: Clock;
  /** Sends a ping on this carrier at once. */
  readonly ping: (slot: CarrierSlot) => void;
  /** The refusal is believed. */
  readonly believe: (slot: CarrierSlot) => void;
}

/**
 * Whether to believe that the server does not know the session. The refusal comes in clear: anybody on the way can have written it.
 * It counts only when a ping is refused as well and nothing authentic comes on that carrier meanwhile.
 */
export class RefusalJudge {
  readonly #dependencies: RefusalJudgeDependencies;

  constructor(dependencies: RefusalJudgeDependencies) {
    this.#dependencies = dependencies;
  }

  /** A refusal of this session came on this carrier. */
  refused(slot: CarrierSlot): void {
    slot.refusals += 1;
    if (slot.refusals > 1 || slot.refusalTimer !== null) return;
    this.#dependencies.ping(slot);
    this.#judgeAfter(slot, Math.max(2 * (slot.rttMs ?? 0), sessionConstants.refusalMsMin), false);
  }

  /** Something authentic came on this carrier. */
  refuted(slot: CarrierSlot): void {
    slot.refusals = 0;
    slot.refusalTimer?.cancel();
    slot.refusalTimer = null;
  }

  #judgeAfter(slot: CarrierSlot, delayMs: number, isFinal: boolean): void {
    slot.refusalTimer = this.#dependencies.clock.setTimer(() => {
      slot.refusalTimer = null;
      if (slot.refusals >= 2 || isFinal) this.#dependencies.believe(slot);
      else this.#judgeAfter(slot, Math.max(4 * (slot.rttMs ?? 0), sessionConstants.refusalMsMax), true);
    }, delayMs);
  }
}
