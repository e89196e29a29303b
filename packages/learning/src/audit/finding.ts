import type { PeerId } from '@pulsemesh/wire';
import type { OpeningFault } from '../rounds/checks.ts';

/** What a verifier may find in a run; each with a sentence for people. */
export const findingTexts = {
  'no-task': 'the board has no such task',
  'terms-over-budget': 'the noise that the task asks for costs more than its own budget allows',
  'contract-query': 'a site signed for other data than the task asks for',
  'not-aggregator': 'somebody opened a round who does not sum in this task',
  'after-deadline': 'a round was opened after the deadline',
  'too-few-sites': 'a round was opened with fewer sites than the task allows',
  'too-many-sites': 'a round was opened with more sites than the task allows',
  'site-twice': 'a round was opened with one site named twice',
  'aggregator-among-sites': 'the aggregator is among the sites it sums over',
  'not-invited': 'a site was asked that the task does not invite',
  'key-not-enrolled': 'a site was asked whose key is not enrolled, or was revoked',
  'no-contract': 'a site was asked without a contract in force, or under the contract of another',
  'past-rounds': 'a site was asked for more rounds than its contract allows',
  'round-order': 'a round was opened out of order, or again after it was summed',
  'attempt-order': 'an attempt was opened out of order',
  'attempts-over': 'a round was tried more often than may be',
  'opened-before':
    'a round was opened again after a survivor set was committed: two sums over different sites show their difference',
  'wrong-input': 'a round did not start from what the round before gave',
  settings: 'a round was opened with terms under which no sum is safe',
  'step-without-opening': 'a step of a round stands on the board that nobody opened',
  'step-order': 'the steps of an attempt stand in another order than they must be taken in',
  'foreign-step': 'a step of a round was written by somebody it is not of',
  'two-key-lists': 'two lists of keys were committed for one attempt: sites may have been shown different keys',
  'two-survivor-sets': 'two survivor sets were committed for one attempt: unmasking both would open a single site',
  'two-endings': 'one attempt was closed in two ways',
  'stranger-in-keys': 'the list of keys has a site that was not asked',
  'stranger-in-survivors': 'the survivor set has a site whose keys are not in the list',
  'too-few-survivors': 'a sum was opened over fewer sites than the task allows',
  'sum-without-survivors': 'a round is said to be summed whose survivor set was never committed',
  'survivors-miscounted': 'a sum is said to be over another number of sites than its survivor set has',
  'closed-incomplete': 'a round is said to be summed without saying what came of it',
  'sums-differ': 'the sites do not agree on what came of a round',
  'over-budget': 'a round was opened past the privacy budget of the task, or of a site in it',
  'epsilon-misstated': 'the privacy spent is said to be another than the terms give',
  'model-without-run': 'a model stands on the board whose run did not end',
  'model-not-of-run': 'the model is not what the last round gave',
  'model-weights': 'the weights on the board are not the ones that the model is named by',
  'model-misstated':
    'the model is said to come from another number of rounds or sites, or another budget, than the board shows',
  'two-models': 'two models were published for one run',
  'evaluation-of-nothing': 'a site evaluated a model that is not of this run',
} as const satisfies Record<OpeningFault | string, string>;

export type FindingKind = keyof typeof findingTexts;

/** One thing that is not as it must be, with what shows it. */
export interface Finding {
  readonly kind: FindingKind;
  /** Whose signature is under it; null: nobody's. */
  readonly who: PeerId | null;
  readonly round: number | null;
  readonly attempt: number | null;
  /** Ids of the entries that show it: anybody can fetch them, with receipts. */
  readonly entries: readonly string[];
  /** For people. */
  readonly text: string;
}

/** A finding with its text. */
export function findingOf(
  kind: FindingKind,
  at: {
    readonly who?: PeerId | null;
    readonly round?: number | null;
    readonly attempt?: number | null;
    readonly entries: readonly { readonly id: string }[];
  },
): Finding {
  const { who = null, round = null, attempt = null } = at;
  return { kind, who, round, attempt, entries: at.entries.map(({ id }) => id), text: findingTexts[kind] };
}
