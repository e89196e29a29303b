import type { PublishedEntry, RoundStep, TaskBody } from '@pulsemesh/board';
import { contentId, type PeerId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';
import type { SumFailure } from '../secure-sum/index.ts';
import { contractInForce } from './checks.ts';
import { combined } from './combined.ts';
import { enoughContracts, epsilonAfterRound, whomToAsk } from './contracts.ts';
import { type Enrolment, enrol, taskOf } from './join.ts';
import { roundLimits } from './limits.ts';
import { publishModel } from './model-entry.ts';
import { fromBytes, toBytes } from './part-codec.ts';
import { attemptScope, sumLength, sumSettingsOf, termsFault } from './settings.ts';
import { forgetScope } from './site.ts';
import { inputStep, resultStep } from './steps.ts';
import { secureSumAggregator } from './sum-aggregator.ts';
import type { Accountant, Combine } from './work.ts';

/** Why a task ended without a result. */
export type RunFailure =
  | SumFailure
  | 'no-task'
  | 'not-aggregator'
  | 'too-few-sites'
  | 'after-deadline'
  | 'settings'
  | 'budget';

/** How a task ended at the aggregator. */
export type AggregatorEnd =
  | { readonly kind: 'finished'; readonly output: Uint8Array; readonly sites: number; readonly epsilon: number | null }
  | {
      readonly kind: 'failed';
      readonly reason: RunFailure;
      readonly round: number;
      /** Whose shares were false, where that was the reason: they, or too many who held them. */
      readonly sites?: readonly PeerId[];
    };

export interface AggregatorOptions {
  readonly taskId: string;
  /** How long more sites than `sitesMin` may take to sign, milliseconds. */
  readonly joinMs: number;
  readonly enrolment: Enrolment;
}

export interface AggregatorDependencies {
  readonly combine: Combine;
  /** Needed for tasks with privacy terms. */
  readonly accountant: Accountant | null;
  /** Awaited between the masks that come off, so that a long opening leaves room for other work; default: does not wait. */
  readonly pause?: () => Promise<void>;
}

interface Sums {
  readonly party: Party;
  readonly taskId: string;
  readonly task: TaskBody;
  readonly dependencies: AggregatorDependencies;
}

/**
 * A task at the party that sums: waits for contracts, then round after round asks whoever is under contract, and commits to the board what
 * was asked, seen and found. A round that fails before its survivor set is on the board is tried again with fresh keys.
 */
export async function runAggregator(
  party: Party,
  options: AggregatorOptions,
  dependencies: AggregatorDependencies,
): Promise<AggregatorEnd> {
  const { taskId } = options;
  const task = await taskOf(party, taskId, options.joinMs);
  if (task === null) return { kind: 'failed', reason: 'no-task', round: 0 };
  if (task.aggregator !== party.self) return { kind: 'failed', reason: 'not-aggregator', round: 0 };
  if (task.privacy !== null && dependencies.accountant === null) return { kind: 'failed', reason: 'budget', round: 0 };
  const sums: Sums = { party, taskId, task, dependencies };
  await enrol(party, options.enrolment);
  await enoughContracts(party, sums, options.joinMs);
  let input = dependencies.combine.firstInput(task);
  let last: RoundOutcome | null = null;
  for (let round = 1; round <= task.rounds; round += 1) {
    last = await runRound(sums, round, input);
    if (last.kind === 'failed') return { ...last, round };
    input = last.output;
  }
  if (last === null) return { kind: 'failed', reason: 'too-few-sites', round: 0 };
  await publishResult(sums, last);
  return { kind: 'finished', output: last.output, sites: last.sites, epsilon: last.epsilon };
}

type RoundOutcome =
  | { readonly kind: 'summed'; readonly output: Uint8Array; readonly sites: number; readonly epsilon: number | null }
  | { readonly kind: 'failed'; readonly reason: RunFailure; readonly sites?: readonly PeerId[] };

async function runRound(sums: Sums, round: number, input: Uint8Array): Promise<RoundOutcome> {
  let failure: Extract<RoundOutcome, { readonly kind: 'failed' }> = { kind: 'failed', reason: 'too-few-sites' };
  for (let attempt = 1; attempt <= roundLimits.attemptsMax; attempt += 1) {
    const name = attemptScope(round, attempt);
    const outcome = fromBytes<AttemptOutcome>(
      await sums.party.once(name, async () => toBytes(await runAttempt(sums, { round, attempt, input }))),
    );
    await forgetScope(sums.party, name);
    if (outcome.kind === 'summed') return outcome;
    const { isOver, ...what } = outcome;
    failure = what;
    if (isOver) break;
  }
  return failure;
}

type AttemptOutcome =
  | Extract<RoundOutcome, { readonly kind: 'summed' }>
  /** `isOver`: another attempt may not, or cannot, be made. */
  | (Extract<RoundOutcome, { readonly kind: 'failed' }> & { readonly isOver: boolean });

interface Attempt {
  readonly round: number;
  readonly attempt: number;
  readonly input: Uint8Array;
}

/** One attempt in a scope of its own, from asking to its end on the board. */
async function runAttempt(sums: Sums, at: Attempt): Promise<AttemptOutcome> {
  const { task, taskId, dependencies } = sums;
  const { round, attempt, input } = at;
  const scope = await sums.party.scope(attemptScope(round, attempt));
  const asked = await whomToAsk(scope, sums, epsilonAfterRound(task, dependencies.accountant, round));
  if (asked.kind === 'failed') return { ...asked, isOver: true };
  const { sites, contracts } = asked;
  const settings = sumSettingsOf({ taskId, task, round, attempt, sites }, sumLength(task, dependencies.combine));
  if (termsFault(settings) !== null) return { kind: 'failed', reason: 'settings', isOver: true };
  const commit = (step: RoundStep): Promise<PublishedEntry> =>
    scope.board.publish('round', { task: taskId, round, attempt, step });
  await commit({ name: 'opened', sites, contracts, input: contentId(input) });
  if (round > 1) for (const site of sites) await scope.send(inputStep, site, input);
  const { pause = async () => {} } = dependencies;
  const result = await secureSumAggregator(scope, { settings, stepMs: task.stepMs }, { pause });
  if (result.kind === 'failed') {
    const { reason, isCommitted, durationsMs, sites: wrong } = result;
    await commit({ name: 'closed', outcome: 'failed', reason, durationsMs });
    return { kind: 'failed', reason, isOver: isCommitted, ...(wrong.length > 0 ? { sites: wrong } : {}) };
  }
  const { words, sites: survivors } = result.sum;
  const sum = { words, sites: survivors.length };
  const { closed, output } = await combined(scope, { taskId, task, ...at }, sum, dependencies);
  await commit({ ...closed, durationsMs: result.durationsMs });
  return { kind: 'summed', output, sites: sum.sites, epsilon: closed.epsilon ?? null };
}

/** The model on the board, and the result to all who are under contract. */
async function publishResult(
  { party, taskId, task }: Sums,
  { output, sites, epsilon }: Extract<RoundOutcome, { readonly kind: 'summed' }>,
): Promise<void> {
  if (task.work.kind === 'training') {
    await publishModel(party, { taskId, rounds: task.rounds }, { output, sites, epsilon });
  }
  const contracts = await party.board.list('contract', ({ body }) => body.task === taskId);
  for (const site of new Set(contracts.map(({ author }) => author))) {
    if (contractInForce(contracts, site, Number.POSITIVE_INFINITY) !== null) await party.send(resultStep, site, output);
  }
}
