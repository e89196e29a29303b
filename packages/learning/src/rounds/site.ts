import { errorCode } from '@pulsemesh/base';
import type { Author, ContractBody, TaskBody } from '@pulsemesh/board';
import { contentId, type PeerId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';
import {
  contractInForce,
  isBudgetable,
  isStep,
  type OpeningFault,
  openerOf,
  openingFault,
  type RoundEntry,
  type TaskRecord,
} from './checks.ts';
import { ownContracts } from './join.ts';
import { roundLimits } from './limits.ts';
import { bytesOfVector, fromBytes, toBytes, vectorOfBytes } from './part-codec.ts';
import { countsClipped, patienceMs } from './settings.ts';
import { inputStep } from './steps.ts';
import type { SumPart } from './sum-owner.ts';
import type { LocalWork, PrivacyBook } from './work.ts';

// What a site does in every attempt, whoever sums: looks whether the board bears it out, and computes its part.

/** What became of a site's part in one attempt of a round. */
export type OwnerPart =
  | SumPart
  /** Closed before this site looked. */
  | { readonly kind: 'missed' }
  /** It may not be opened like that; the board has the evidence. */
  | { readonly kind: 'refused'; readonly fault: OpeningFault | 'settings'; readonly entries: readonly string[] }
  /** This site's own limits or data keep it out of the attempt. */
  | {
      readonly kind: 'sat-out';
      readonly why: 'rounds' | 'budget' | 'company' | 'patients' | 'input' | 'work';
      readonly code?: string;
    };

/** One attempt as this site had it. */
export interface OwnerAttempt {
  readonly round: number;
  readonly attempt: number;
  readonly part: OwnerPart;
}

export interface OwnerDependencies {
  readonly author: Author;
  readonly work: LocalWork;
  /** Needed for tasks with privacy terms: without it the site never reveals in one. Asked in the others too. */
  readonly book: PrivacyBook | null;
  /** Absent: sums with whomever a task admits. */
  readonly company?: Company;
}

/**
 * Whom a site counts as parties of their own: in each sum there must be so many of them beside it. All others may be one hand under many
 * names, which takes its own vectors off a sum and is left with the site's.
 */
export interface Company {
  readonly known: ReadonlySet<PeerId>;
  readonly least: number;
}

/** A site in one task. */
export interface SiteInTask {
  readonly party: Party;
  readonly taskId: string;
  readonly task: TaskBody;
  readonly contract: ContractBody;
  readonly dependencies: OwnerDependencies;
}

/** How long a site waits for a task's entry that it was told of. */
export const taskWaitMs = 3600 * 1000;

/** A part that was forgotten in a former life stays so. */
export async function forgetScope(party: Party, name: string): Promise<void> {
  const scope = await party.scope(name).catch(() => null);
  await scope?.forget();
}

/** The next attempt that asks this site, or the end of the last round; null when nothing came until the deadline. */
export async function nextAttempt(
  { party, taskId, task }: SiteInTask,
  last: Pick<OwnerAttempt, 'round' | 'attempt'> | undefined,
): Promise<RoundEntry<'opened'> | RoundEntry<'closed'> | null> {
  const isLater = (round: number, attempt: number) =>
    last === undefined || round > last.round || (round === last.round && attempt > last.attempt);
  const nowMs = await party.now();
  const entry = await party.board.await(
    'round',
    (one) => {
      if (one.body.task !== taskId) return false;
      if (isStep(one, 'closed'))
        return one.author === task.aggregator && one.body.round === task.rounds && one.body.step.outcome === 'summed';
      if (!isStep(one, 'opened') || one.author !== openerOf(task, one.body.step.sites)) return false;
      return one.body.step.sites.includes(party.self) && isLater(one.body.round, one.body.attempt);
    },
    Math.max(0, task.deadlineMs - nowMs) + patienceMs(task, roundLimits),
  );
  if (entry === null) return null;
  return isStep(entry, 'closed') ? entry : isStep(entry, 'opened') ? entry : null;
}

/** What a site goes into an attempt with: it was opened rightly, and this is its vector; or why it does not. */
export async function prepare(
  site: SiteInTask,
  scope: Party,
  opened: RoundEntry<'opened'>,
  before: { readonly reveals: number; readonly isSettings: boolean; readonly input: Uint8Array | null },
): Promise<{ readonly vector: Uint32Array } | Exclude<OwnerPart, SumPart>> {
  const { taskId, task, contract, dependencies } = site;
  const { round, attempt } = opened.body;
  const record = await recordOf(scope, taskId, task, round);
  if (record.rounds.some((one) => one.body.attempt === attempt && one.body.round === round && isStep(one, 'closed')))
    return { kind: 'missed' };
  const fault = openingFault(record, opened, contentId(dependencies.work.firstInput(task)));
  if (fault !== null) return { kind: 'refused', fault, entries: [opened.id] };
  if (before.reveals >= (contract.limits?.roundsMax ?? task.rounds)) return { kind: 'sat-out', why: 'rounds' };
  if (!isBudgetable(task, contract.limits?.epsilonMax ?? null)) return { kind: 'sat-out', why: 'budget' };
  if (!isInCompany(site, opened.body.step.sites)) return { kind: 'sat-out', why: 'company' };
  if (!before.isSettings) return { kind: 'refused', fault: 'settings', entries: [opened.id] };
  const input = before.input ?? (await inputOf(site, scope, opened));
  if (input === null) return { kind: 'sat-out', why: 'input' };
  return contribute(site, scope, { round, attempt, input });
}

function isInCompany({ party, dependencies: { company } }: SiteInTask, sites: readonly PeerId[]): boolean {
  if (company === undefined) return true;
  return sites.filter((site) => site !== party.self && company.known.has(site)).length >= company.least;
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

/** What the round starts from, as sent by the aggregator, its hash being the board's. */
async function inputOf(site: SiteInTask, scope: Party, opened: RoundEntry<'opened'>): Promise<Uint8Array | null> {
  const { task } = site;
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
export async function mayReveal(
  site: SiteInTask,
  scope: Party,
  at: { readonly round: number; readonly attempt: number; readonly sites: readonly PeerId[] },
): Promise<boolean> {
  const { party, taskId, task, contract, dependencies } = site;
  if (!isInCompany(site, at.sites)) return false;
  const own = await ownContracts(scope, taskId);
  if (contractInForce(own, party.self, Number.POSITIVE_INFINITY) === null) return false;
  const { round, attempt, sites } = at;
  const epsilonMax = contract.limits?.epsilonMax ?? null;
  const spent = await scope.once('spend', async () => {
    const answer = await dependencies.book?.spend(
      { taskId, task, round, attempt },
      { epsilonMax, sites: sites.length },
    );
    const isWithin = answer?.isWithin ?? (task.privacy === null && epsilonMax === null);
    return Uint8Array.of(isWithin ? 1 : 0);
  });
  return spent[0] === 1;
}
