import type { PublishedEntry, RoundStep, TaskBody } from '@pulsemesh/board';
import { contentId, type PeerId } from '@pulsemesh/wire';
import type { EntryOfParty, Party } from '../party/party.ts';
import { type SumFailure, sumSettingsFault } from '../secure-sum/index.ts';
import { contractInForce, isEnrolled, roundsOpenedWith, type TaskRecord } from './checks.ts';
import { type Enrolment, enrol, taskOf } from './join.ts';
import { roundLimits } from './limits.ts';
import { bytesOfVector, fromBytes, toBytes } from './part-codec.ts';
import { attemptScope, countsClipped, sumLength, sumSettingsOf } from './settings.ts';
import { inputStep, resultStep } from './steps.ts';
import { type SumResult, secureSumAggregator } from './sum-aggregator.ts';
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
  | { readonly kind: 'failed'; readonly reason: RunFailure; readonly round: number };

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
  await enoughContracts(sums, options.joinMs);
  let input = dependencies.combine.firstInput(task);
  let last: RoundOutcome | null = null;
  for (let round = 1; round <= task.rounds; round += 1) {
    last = await runRound(sums, round, input);
    if (last.kind === 'failed') return { kind: 'failed', reason: last.reason, round };
    input = last.output;
  }
  if (last === null) return { kind: 'failed', reason: 'too-few-sites', round: 0 };
  await publishResult(sums, last);
  return { kind: 'finished', output: last.output, sites: last.sites, epsilon: last.epsilon };
}

type RoundOutcome =
  | { readonly kind: 'summed'; readonly output: Uint8Array; readonly sites: number; readonly epsilon: number | null }
  | { readonly kind: 'failed'; readonly reason: RunFailure };

async function runRound(sums: Sums, round: number, input: Uint8Array): Promise<RoundOutcome> {
  let reason: RunFailure = 'too-few-sites';
  for (let attempt = 1; attempt <= roundLimits.attemptsMax; attempt += 1) {
    const asked = await whomToAsk(sums, round, attempt);
    if (asked.kind === 'failed') return asked;
    const name = attemptScope(round, attempt);
    const outcome = fromBytes<AttemptOutcome>(
      await sums.party.once(name, async () => toBytes(await runAttempt(sums, { round, attempt, input, ...asked }))),
    );
    const scope = await sums.party.scope(name).catch(() => null);
    await scope?.forget();
    if (outcome.kind === 'summed') return outcome;
    reason = outcome.reason;
    if (outcome.isCommitted) break;
  }
  return { kind: 'failed', reason };
}

type AttemptOutcome =
  | Extract<RoundOutcome, { readonly kind: 'summed' }>
  | { readonly kind: 'failed'; readonly reason: RunFailure; readonly isCommitted: boolean };

interface Attempt {
  readonly round: number;
  readonly attempt: number;
  readonly input: Uint8Array;
  readonly sites: readonly PeerId[];
  readonly contracts: readonly string[];
}

/** One attempt in a scope of its own, from asking to its end on the board. */
async function runAttempt(sums: Sums, at: Attempt): Promise<AttemptOutcome> {
  const { task, taskId, dependencies } = sums;
  const { round, attempt, input, sites, contracts } = at;
  const scope = await sums.party.scope(attemptScope(round, attempt));
  const commit = (step: RoundStep): Promise<PublishedEntry> =>
    scope.board.publish('round', { task: taskId, round, attempt, step });
  const settings = sumSettingsOf({ taskId, task, round, attempt, sites }, sumLength(task, dependencies.combine));
  await commit({ name: 'opened', sites, contracts, input: contentId(input) });
  if (round > 1) for (const site of sites) await scope.send(inputStep, site, input);
  const result = await secureSumAggregator(scope, { settings, stepMs: task.stepMs });
  if (result.kind === 'failed') {
    const { reason, isCommitted, durationsMs } = result;
    await commit({ name: 'closed', outcome: 'failed', reason, durationsMs });
    return { kind: 'failed', reason, isCommitted };
  }
  const { closed, output } = await combined(sums, at, result, scope);
  await commit(closed);
  return { kind: 'summed', output, sites: result.sum.sites.length, epsilon: closed.epsilon ?? null };
}

/** What follows from the sum, and the words about it for the board. */
async function combined(
  { task, taskId, dependencies }: Sums,
  { round, attempt, input }: Attempt,
  { sum, durationsMs }: Extract<SumResult, { readonly kind: 'summed' }>,
  scope: Party,
): Promise<{ readonly closed: Extract<RoundStep, { readonly name: 'closed' }>; readonly output: Uint8Array }> {
  const vector = countsClipped(task) ? sum.words.slice(0, -1) : sum.words;
  const sites = sum.sites.length;
  const output = await scope.once('combine', () =>
    dependencies.combine.combine({ taskId, task, round, attempt, input }, { vector, sites }),
  );
  const epsilon =
    task.privacy === null || dependencies.accountant === null
      ? null
      : dependencies.accountant.epsilonAfter(task.privacy, round, task.sitesMin);
  const closed = {
    name: 'closed',
    outcome: 'summed',
    sumHash: contentId(bytesOfVector(sum.words)),
    output: contentId(output),
    sites,
    ...(countsClipped(task) ? { clipped: sum.words[sum.words.length - 1] as number } : {}),
    durationsMs,
    epsilon,
  } as const;
  return { closed, output };
}

/** Who is under contract, enrolled and within its own limits, as far as the deadline allows anything to begin. */
async function whomToAsk(
  { party, taskId, task, dependencies }: Sums,
  round: number,
  attempt: number,
): Promise<
  { readonly kind: 'asked'; readonly sites: readonly PeerId[]; readonly contracts: readonly string[] } | Failed
> {
  if ((await party.now()) > task.deadlineMs) return { kind: 'failed', reason: 'after-deadline' };
  const record: TaskRecord = {
    id: taskId,
    task,
    keys: await party.board.list('key', () => true),
    contracts: await party.board.list('contract', ({ body }) => body.task === taskId),
    rounds: await party.board.list('round', ({ body }) => body.task === taskId),
  };
  const inForce = [...new Set(record.contracts.map(({ author }) => author))]
    .sort()
    .map((site) => contractInForce(record.contracts, site, Number.POSITIVE_INFINITY))
    .filter((entry) => entry !== null)
    .filter((entry) => isAskable(record, entry, epsilonOf(task, dependencies.accountant, round)))
    .slice(0, task.sitesMax);
  const sites = inForce.map(({ author }) => author);
  if (sites.length < Math.max(2, task.sitesMin)) return { kind: 'failed', reason: 'too-few-sites' };
  const settings = sumSettingsOf({ taskId, task, round, attempt, sites }, sumLength(task, dependencies.combine));
  if (sumSettingsFault(settings) !== null) return { kind: 'failed', reason: 'settings' };
  return { kind: 'asked', sites, contracts: inForce.map(({ id }) => id) };
}

type Failed = Extract<RoundOutcome, { readonly kind: 'failed' }>;

function epsilonOf(task: TaskBody, accountant: Accountant | null, round: number): number | null {
  if (task.privacy === null || accountant === null) return null;
  return accountant.epsilonAfter(task.privacy, round, task.sitesMin);
}

function isAskable(record: TaskRecord, contract: EntryOfParty<'contract'>, epsilon: number | null): boolean {
  const { task, keys } = record;
  const site = contract.author;
  const limits = contract.body.limits;
  if (site === task.aggregator || (task.invited.length > 0 && !task.invited.includes(site))) return false;
  if (!isEnrolled(keys, site, Number.POSITIVE_INFINITY)) return false;
  if (epsilon !== null && epsilon > (limits?.epsilonMax ?? Number.POSITIVE_INFINITY)) return false;
  return roundsOpenedWith(record, site, Number.POSITIVE_INFINITY) < (limits?.roundsMax ?? task.rounds);
}

/** Waits until as many as may have signed, or until `joinMs` are over and as many as must have, or until the deadline. */
async function enoughContracts({ party, taskId, task }: Sums, joinMs: number): Promise<void> {
  await party.board.await('contract', countOf(taskId, task.sitesMax), joinMs);
  const nowMs = await party.now();
  await party.board.await('contract', countOf(taskId, task.sitesMin), Math.max(0, task.deadlineMs - nowMs));
}

/** True of the entry with which so many are under contract; entries are given in order, from the first at each look. */
function countOf(taskId: string, count: number): (entry: EntryOfParty<'contract'>) => boolean {
  const inForce = new Set<PeerId>();
  let lastIndex = -1;
  return ({ index, author, body }) => {
    if (index <= lastIndex) inForce.clear();
    lastIndex = index;
    if (body.task !== taskId) return false;
    if (body.action === 'sign') inForce.add(author);
    else inForce.delete(author);
    return inForce.size >= count;
  };
}

/** The model on the board, and the result to all who are under contract. */
async function publishResult(
  { party, taskId, task }: Sums,
  { output, sites, epsilon }: Extract<RoundOutcome, { readonly kind: 'summed' }>,
): Promise<void> {
  if (task.work.kind === 'training') {
    await party.board.publish('model', {
      task: taskId,
      hash: contentId(output),
      bytes: output.length,
      ...(output.length <= weightsOnBoardBytesMax ? { weights: output } : {}),
      rounds: task.rounds,
      sites,
      epsilon,
    });
  }
  const contracts = await party.board.list('contract', ({ body }) => body.task === taskId);
  for (const site of new Set(contracts.map(({ author }) => author))) {
    if (contractInForce(contracts, site, Number.POSITIVE_INFINITY) !== null) await party.send(resultStep, site, output);
  }
}

/** What the board takes of a model's bytes. */
const weightsOnBoardBytesMax = 32 * 1024;
