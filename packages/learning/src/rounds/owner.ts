import { errorCode } from '@pulsemesh/base';
import type { Author, ContractBody, TaskBody } from '@pulsemesh/board';
import { contentId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';
import { sumSettingsFault } from '../secure-sum/index.ts';
import {
  contractInForce,
  isStep,
  type OpeningFault,
  openingFault,
  type RoundEntry,
  type TaskRecord,
} from './checks.ts';
import { enrol, type JoinOptions, ownContracts, signContract, taskOf } from './join.ts';
import { roundLimits } from './limits.ts';
import { bytesOfVector, fromBytes, toBytes, vectorOfBytes } from './part-codec.ts';
import { attemptScope, countsClipped, patienceMs, sumLength, sumSettingsOf } from './settings.ts';
import { inputStep, resultStep } from './steps.ts';
import { type SumPart, secureSumOwner } from './sum-owner.ts';
import type { LocalWork, PrivacyBook } from './work.ts';

/** What became of a site's part in one attempt of a round. */
export type OwnerPart =
  | SumPart
  /** Closed before this site looked. */
  | { readonly kind: 'missed' }
  /** It may not be opened like that; the board has the evidence. */
  | { readonly kind: 'refused'; readonly fault: OpeningFault | 'settings'; readonly entries: readonly string[] }
  /** This site's own limits or data keep it out of the attempt. */
  | { readonly kind: 'sat-out'; readonly why: 'rounds' | 'patients' | 'input' | 'work'; readonly code?: string };

/** One attempt as this site had it. */
export interface OwnerAttempt {
  readonly round: number;
  readonly attempt: number;
  readonly part: OwnerPart;
}

/** How a site's run ended. */
export interface OwnerEnd {
  readonly kind: 'finished' | 'left' | 'over' | 'no-task';
  readonly attempts: readonly OwnerAttempt[];
  /** What the last round gave, its hash being the one on the board; null: it did not come, or there is none. */
  readonly result: Uint8Array | null;
}

export interface OwnerDependencies {
  readonly author: Author;
  readonly work: LocalWork;
  /** Needed for tasks with privacy terms: without it the site never reveals in one. */
  readonly book: PrivacyBook | null;
}

/**
 * A site in a task, from its contract to the last round: checks each attempt on the board, computes its part, sums. Nothing is sent
 * without a contract, past the site's own limits, or for an attempt that the board does not bear out.
 */
export async function runOwner(party: Party, options: JoinOptions, dependencies: OwnerDependencies): Promise<OwnerEnd> {
  const { taskId } = options;
  const attempts: OwnerAttempt[] = [];
  const end = (kind: OwnerEnd['kind'], result: Uint8Array | null = null): OwnerEnd => ({ kind, attempts, result });
  const task = await taskOf(party, taskId, taskWaitMs);
  if (task === null) return end('no-task');
  await enrol(party, options.enrolment);
  const contract = await signContract(party, options);
  if (contract === null) return end('left');
  const site: SiteInTask = { party, taskId, task, contract, dependencies };
  for (let turn = 0; turn < task.rounds * roundLimits.attemptsMax; turn += 1) {
    const next = await nextAttempt(site, attempts.at(-1));
    if (next === null) return end('over');
    if (isStep(next, 'closed')) return end('finished', await resultOf(site, next));
    const { round, attempt } = next.body;
    const name = attemptScope(round, attempt);
    const reveals = attempts.filter(({ part }) => part.kind === 'revealed').length;
    const part = fromBytes<OwnerPart>(await party.once(name, async () => toBytes(await takePart(site, next, reveals))));
    await forgetScope(party, name);
    attempts.push({ round, attempt, part });
    const own = await ownContracts(party, taskId);
    if (contractInForce(own, party.self, Number.POSITIVE_INFINITY) === null) return end('left');
  }
  const last = await nextAttempt(site, attempts.at(-1));
  return last !== null && isStep(last, 'closed') ? end('finished', await resultOf(site, last)) : end('over');
}

/** How long a site waits for a task's entry that it was told of. */
const taskWaitMs = 3600 * 1000;

interface SiteInTask {
  readonly party: Party;
  readonly taskId: string;
  readonly task: TaskBody;
  readonly contract: ContractBody;
  readonly dependencies: OwnerDependencies;
}

/** A part that was forgotten in a former life stays so. */
async function forgetScope(party: Party, name: string): Promise<void> {
  const scope = await party.scope(name).catch(() => null);
  await scope?.forget();
}

/** The next attempt that asks this site, or the end of the last round; null when nothing came until the deadline. */
async function nextAttempt(
  { party, taskId, task }: SiteInTask,
  last: OwnerAttempt | undefined,
): Promise<RoundEntry<'opened'> | RoundEntry<'closed'> | null> {
  const isLater = (round: number, attempt: number) =>
    last === undefined || round > last.round || (round === last.round && attempt > last.attempt);
  const nowMs = await party.now();
  const entry = await party.board.await(
    'round',
    (one) => {
      if (one.body.task !== taskId || (task.aggregator !== null && one.author !== task.aggregator)) return false;
      if (isStep(one, 'closed')) return one.body.round === task.rounds && one.body.step.outcome === 'summed';
      return (
        isStep(one, 'opened') && one.body.step.sites.includes(party.self) && isLater(one.body.round, one.body.attempt)
      );
    },
    Math.max(0, task.deadlineMs - nowMs) + patienceMs(task, roundLimits),
  );
  if (entry === null) return null;
  return isStep(entry, 'closed') ? entry : isStep(entry, 'opened') ? entry : null;
}

/** One attempt, in a scope of its own. */
async function takePart(site: SiteInTask, opened: RoundEntry<'opened'>, reveals: number): Promise<OwnerPart> {
  const { taskId, task, contract, dependencies } = site;
  const { round, attempt, step } = opened.body;
  const scope = await site.party.scope(attemptScope(round, attempt));
  const record = await recordOf(scope, taskId, task, round);
  if (record.rounds.some((one) => one.body.attempt === attempt && one.body.round === round && isStep(one, 'closed')))
    return { kind: 'missed' };
  const firstInput = contentId(dependencies.work.firstInput(task));
  const fault = openingFault(record, opened, firstInput);
  if (fault !== null) return { kind: 'refused', fault, entries: [opened.id] };
  if (reveals >= (contract.limits?.roundsMax ?? task.rounds)) return { kind: 'sat-out', why: 'rounds' };
  const place = { taskId, task, round, attempt, sites: step.sites };
  const settings = sumSettingsOf(place, sumLength(task, dependencies.work));
  if (sumSettingsFault(settings) !== null) return { kind: 'refused', fault: 'settings', entries: [opened.id] };
  const input = await inputOf(site, scope, opened);
  if (input === null) return { kind: 'sat-out', why: 'input' };
  const contribution = await contribute(site, scope, { round, attempt, input });
  if ('why' in contribution) return contribution;
  const part = await secureSumOwner(
    scope,
    {
      settings,
      aggregator: opened.author,
      vector: contribution.vector,
      patienceMs: patienceMs(task, roundLimits),
    },
    { author: dependencies.author, mayReveal: (sites) => mayReveal(site, scope, { round, attempt, sites }) },
  );
  if (part.kind === 'revealed') await closing(site, scope, opened);
  return part;
}

/** What the board has about a task that matters for one round: keys, contracts, and this round and the one before. */
async function recordOf(party: Party, taskId: string, task: TaskBody, round: number): Promise<TaskRecord> {
  return {
    id: taskId,
    task,
    keys: await party.board.list('key', () => true),
    contracts: await party.board.list('contract', ({ body }) => body.task === taskId),
    rounds: await party.board.list('round', ({ body }) => body.task === taskId && body.round >= round - 1),
  };
}

/** What the round starts from: computed here in round 1, else as sent by the aggregator, its hash being the board's. */
async function inputOf(site: SiteInTask, scope: Party, opened: RoundEntry<'opened'>): Promise<Uint8Array | null> {
  const { task, dependencies } = site;
  if (opened.body.round === 1) return dependencies.work.firstInput(task);
  const input = await scope.receive(inputStep, opened.author, patienceMs(task, roundLimits));
  return input !== null && contentId(input) === opened.body.step.input ? input : null;
}

type Sitting = Extract<OwnerPart, { readonly kind: 'sat-out' }>;

/** This site's vector, computed once for the attempt. */
async function contribute(
  { taskId, task, contract, dependencies }: SiteInTask,
  scope: Party,
  round: { readonly round: number; readonly attempt: number; readonly input: Uint8Array },
): Promise<{ readonly vector: Uint32Array } | Sitting> {
  const random = scope.random('work');
  const written = await scope.once('contribution', async () => {
    try {
      const made = await dependencies.work.contribute({ taskId, task, ...round }, { random });
      if (made.vector.length !== dependencies.work.vectorLength(task)) return toBytes({ code: 'vector-length' });
      if (made.patients < (contract.limits?.patientsMin ?? 0)) return toBytes({ code: 'patients' });
      return toBytes({ vector: bytesOfVector(made.vector), clipped: made.clipped });
    } catch (error) {
      return toBytes({ code: errorCode(error) });
    }
  });
  const made = fromBytes<{ code: string } | { vector: Uint8Array; clipped: number }>(written);
  if ('code' in made) return { kind: 'sat-out', why: made.code === 'patients' ? 'patients' : 'work', code: made.code };
  const values = vectorOfBytes(made.vector);
  if (!countsClipped(task)) return { vector: values };
  const vector = new Uint32Array(values.length + 1);
  vector.set(values);
  vector[values.length] = made.clipped;
  return { vector };
}

/** The last word before shares go out: still under contract, and within the budget, which is written down as spent first. */
async function mayReveal(
  { party, taskId, task, contract, dependencies }: SiteInTask,
  scope: Party,
  at: { readonly round: number; readonly attempt: number; readonly sites: number },
): Promise<boolean> {
  const own = await ownContracts(scope, taskId);
  if (contractInForce(own, party.self, Number.POSITIVE_INFINITY) === null) return false;
  if (task.privacy === null) return true;
  const { round, attempt, sites } = at;
  const epsilonMax = contract.limits?.epsilonMax ?? null;
  const spent = await scope.once('spend', async () => {
    const answer = await dependencies.book?.spend({ taskId, task, round, attempt }, { epsilonMax, sites });
    return Uint8Array.of(answer?.isWithin === true ? 1 : 0);
  });
  return spent[0] === 1;
}

/** Waits for the attempt to be closed, so that what is needed to answer again is not forgotten before. */
async function closing({ task, taskId }: SiteInTask, scope: Party, opened: RoundEntry<'opened'>): Promise<void> {
  const { round, attempt } = opened.body;
  await scope.board.await(
    'round',
    (one) =>
      one.author === opened.author &&
      one.body.task === taskId &&
      one.body.round === round &&
      one.body.attempt === attempt &&
      isStep(one, 'closed'),
    patienceMs(task, roundLimits),
  );
}

async function resultOf({ party, task }: SiteInTask, closed: RoundEntry<'closed'>): Promise<Uint8Array | null> {
  const result = await party.receive(resultStep, closed.author, patienceMs(task, roundLimits));
  return result !== null && contentId(result) === closed.body.step.output ? result : null;
}
