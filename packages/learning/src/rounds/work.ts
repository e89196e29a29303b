import type { Random } from '@pulsemesh/base';
import type { PrivacyTerms, TaskBody } from '@pulsemesh/board';

/** A round as those see it who compute in it. */
export interface RoundOfWork {
  /** The task's entry. */
  readonly taskId: string;
  readonly task: TaskBody;
  /** From 1. */
  readonly round: number;
  /** From 1. */
  readonly attempt: number;
  /** What the round starts from: weights, or a survey's state. */
  readonly input: Uint8Array;
}

/** What a site brings to one attempt of a round. */
export interface Contribution {
  /** As encoded for the sum (fixed point, noise included), modulo 2^32; `vectorLength(task)` values. */
  readonly vector: Uint32Array;
  /** Values that were clipped, of this site. Summed under the mask; left out where the task has privacy terms. */
  readonly clipped: number;
  /** Whose records are in it. Below the contract's `patientsMin` the site sits the round out. */
  readonly patients: number;
}

/** What the parties of a task agree on before any sum: a pure function of the task. */
export interface WorkShape {
  /** How many values a contribution has. */
  vectorLength(task: TaskBody): number;
  /** What round 1 starts from; each site computes it itself and compares. */
  firstInput(task: TaskBody): Uint8Array;
}

/**
 * What a site does in a round: training on its records, or answering a survey. Called once for each attempt, its result being
 * written down; `random` is of this attempt alone (noise is drawn from it). Throwing means that the site sits the attempt out.
 */
export interface LocalWork extends WorkShape {
  contribute(round: RoundOfWork, dependencies: { readonly random: Random }): Promise<Contribution>;
}

/** What the aggregator makes of a sum. Deterministic: whoever has input and sum gets the same output. */
export interface Combine extends WorkShape {
  /** What the next round starts from, or, after the last one, the result. */
  combine(
    round: RoundOfWork,
    sum: { readonly vector: Uint32Array; readonly sites: number },
  ): Promise<Uint8Array> | Uint8Array;
}

/** What a round costs in privacy, from the task's terms alone: so that everybody, the verifier too, gets the same number. */
export interface Accountant {
  /** ε at the terms' δ, over `reveals` rounds that were opened with at least `sites` in the sum. */
  epsilonAfter(terms: PrivacyTerms, reveals: number, sites: number): number;
}

/** A site's own book of what was spent. Durable; asked before each reveal, never after. */
export interface PrivacyBook {
  /**
   * Writes down one more reveal for this attempt, unless that would go past `epsilonMax` (of the contract; null: no limit). Repeated for
   * the same attempt it gives the same answer and spends nothing. A task without privacy terms is within no limit at all.
   */
  spend(
    round: Omit<RoundOfWork, 'input'>,
    limit: { readonly epsilonMax: number | null; readonly sites: number },
  ): Promise<{ readonly isWithin: boolean; readonly epsilon: number | null }>;
}
