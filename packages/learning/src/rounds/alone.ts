import type { RoundStep } from '@pulsemesh/board';
import { contentId, type PeerId } from '@pulsemesh/wire';
import type { EntryOfParty, Party } from '../party/party.ts';
import { additiveSettingsFault } from '../secure-sum/index.ts';
import { contractInForce, isStep, openerOf, type RoundEntry } from './checks.ts';
import { combined } from './combined.ts';
import { enoughContracts, epsilonAfterRound, whomToAsk } from './contracts.ts';
import { enrol, type JoinOptions, ownContracts, signContract, taskOf } from './join.ts';
import { roundLimits } from './limits.ts';
import { publishModel } from './model-entry.ts';
import { fromBytes, toBytes } from './part-codec.ts';
import { attemptScope, patienceMs, sumLength } from './settings.ts';
import {
  forgetScope,
  mayReveal,
  nextAttempt,
  type OwnerAttempt,
  type OwnerDependencies,
  type OwnerPart,
  prepare,
  type SiteInTask,
  taskWaitMs,
} from './site.ts';
import { secureSumAlone } from './sum-alone.ts';
import type { Accountant, Combine } from './work.ts';

/** How the run of a task without aggregator ended at one site. */
export interface AloneEnd {
  /** `disagreed`: the sites do not say the same of a round's sum; nobody goes on. */
  readonly kind: 'finished' | 'left' | 'over' | 'no-task' | 'disagreed';
  readonly attempts: readonly OwnerAttempt[];
  readonly result: Uint8Array | null;
}

export interface AloneDependencies extends OwnerDependencies {
  readonly combine: Combine;
  /** Needed for tasks with privacy terms. */
  readonly accountant: Accountant | null;
}

interface AloneSite extends SiteInTask {
  readonly alone: AloneDependencies;
}

/**
 * A site in a task that nobody aggregates, for up to ten sites: they share and sum among themselves, and each computes what follows. The
 * first site in order of ids opens attempts and has no other part. One that is absent fails the attempt.
 */
export async function runAlone(
  party: Party,
  options: JoinOptions & { readonly joinMs: number },
  dependencies: AloneDependencies,
): Promise<AloneEnd> {
  const { taskId } = options;
  const attempts: OwnerAttempt[] = [];
  const end = (kind: AloneEnd['kind'], result: Uint8Array | null = null): AloneEnd => ({ kind, attempts, result });
  const task = await taskOf(party, taskId, taskWaitMs);
  if (task === null || task.aggregator !== null) return end('no-task');
  await enrol(party, options.enrolment);
  const contract = await signContract(party, options);
  if (contract === null) return end('left');
  await enoughContracts(party, { taskId, task }, options.joinMs);
  const site: AloneSite = { party, taskId, task, contract, dependencies, alone: dependencies };
  let input = dependencies.work.firstInput(task);
  for (let round = 1; round <= task.rounds; round += 1) {
    const outcome = await runRound(site, round, input, attempts);
    if (outcome === null) return end('over');
    if (outcome === 'disagreed') return end('disagreed');
    input = outcome;
    const own = await ownContracts(party, taskId);
    if (round < task.rounds && contractInForce(own, party.self, Number.POSITIVE_INFINITY) === null) return end('left');
  }
  if (task.work.kind === 'training') await modelOnBoard(site, input);
  return end('finished', input);
}

/** Whoever opened the last round says what came out; the others wait for it, so that what they say of the model comes after it. */
async function modelOnBoard({ party, taskId, task }: AloneSite, output: Uint8Array): Promise<void> {
  const ofLast = await party.board.list('round', ({ body }) => body.task === taskId && body.round === task.rounds);
  const closed = ofLast
    .filter((one) => isStep(one, 'closed'))
    .find((one) => one.author === party.self && one.body.step.outcome === 'summed');
  if (closed === undefined) return;
  const opened = ofLast
    .filter((one) => isStep(one, 'opened'))
    .find((one) => one.body.attempt === closed.body.attempt && one.author === openerOf(task, one.body.step.sites));
  if (opened === undefined) return;
  const { sites = 0, epsilon = null } = closed.body.step;
  if (opened.author === party.self) {
    await publishModel(party, { taskId, rounds: task.rounds }, { output, sites, epsilon });
    return;
  }
  const isModel = (one: EntryOfParty<'model'>) => one.author === opened.author && one.body.task === taskId;
  await party.board.await('model', isModel, patienceMs(task, roundLimits));
}

async function runRound(
  site: AloneSite,
  round: number,
  input: Uint8Array,
  attempts: OwnerAttempt[],
): Promise<Uint8Array | 'disagreed' | null> {
  for (let attempt = 1; attempt <= roundLimits.attemptsMax; attempt += 1) {
    await openIfFirst(site, round, attempt, input);
    const last = attempts.at(-1) ?? (round > 1 || attempt > 1 ? { round, attempt: attempt - 1 } : undefined);
    const next = await nextAttempt(site, last);
    if (next === null || !isStep(next, 'opened') || next.body.round !== round) return null;
    const reveals = attempts.filter(({ part }) => part.kind === 'revealed').length;
    const name = attemptScope(round, next.body.attempt);
    const outcome = fromBytes<Outcome>(
      await site.party.once(name, async () => toBytes(await takePart(site, next, input, reveals))),
    );
    await forgetScope(site.party, name);
    attempts.push({ round, attempt: next.body.attempt, part: outcome.part });
    if (outcome.output !== null) return outcome.isAgreed ? outcome.output : 'disagreed';
    if (outcome.part.kind === 'refused') return null;
  }
  return null;
}

interface Outcome {
  readonly part: OwnerPart;
  /** Null: no sum. */
  readonly output: Uint8Array | null;
  readonly isAgreed: boolean;
}

/** Opens the attempt where this site is the first of those who are under contract. */
async function openIfFirst(
  { party, taskId, task, alone }: AloneSite,
  round: number,
  attempt: number,
  input: Uint8Array,
): Promise<void> {
  const asked = await whomToAsk(party, { taskId, task }, epsilonAfterRound(task, alone.accountant, round));
  if (asked.kind === 'failed' || openerOf(task, asked.sites) !== party.self) return;
  const { sites, contracts } = asked;
  const step = { name: 'opened', sites, contracts, input: contentId(input) } as const;
  await party.board.publish('round', { task: taskId, round, attempt, step });
}

/** One attempt, in a scope of its own. */
async function takePart(
  site: AloneSite,
  opened: RoundEntry<'opened'>,
  input: Uint8Array,
  reveals: number,
): Promise<Outcome> {
  const { taskId, task, alone } = site;
  const { round, attempt, step } = opened.body;
  const scope = await site.party.scope(attemptScope(round, attempt));
  const settings = { task: taskId, round, attempt, sites: step.sites, vectorLength: sumLength(task, alone.work) };
  const isSettings = additiveSettingsFault(settings) === null;
  const prepared = await prepare(site, scope, opened, { reveals, isSettings, input });
  if (!('vector' in prepared)) return { part: prepared, output: null, isAgreed: false };
  const commit = (said: RoundStep) => scope.board.publish('round', { task: taskId, round, attempt, step: said });
  const part = await secureSumAlone(
    scope,
    { settings, opener: opened.author, vector: prepared.vector, patienceMs: patienceMs(task, roundLimits) },
    { mayReveal: (sites) => mayReveal(site, scope, { round, attempt, sites }) },
  );
  if (part.kind !== 'summed') {
    // The first word about the end is the opener's: the next attempt waits for it.
    if (opened.author === scope.self) await commit({ name: 'closed', outcome: 'failed', reason: part.kind });
    return { part, output: null, isAgreed: false };
  }
  const sum = { words: part.words, sites: step.sites.length };
  const { closed, output } = await combined(scope, { taskId, task, round, attempt, input }, sum, alone);
  await commit(closed);
  const isAgreed = await agree(scope, opened, closed, patienceMs(task, roundLimits));
  return { part: { kind: 'revealed' }, output, isAgreed };
}

/** True when nobody says another thing of the sum than this site, as far as they say anything in time. */
async function agree(
  scope: Party,
  opened: RoundEntry<'opened'>,
  closed: Extract<RoundStep, { readonly name: 'closed' }>,
  withinMs: number,
): Promise<boolean> {
  const { task, round, attempt, step } = opened.body;
  const isEnd = (author: PeerId) => (one: Parameters<typeof isStep>[0]) =>
    one.author === author &&
    one.body.task === task &&
    one.body.round === round &&
    one.body.attempt === attempt &&
    isStep(one, 'closed');
  for (const other of step.sites) {
    if (other === scope.self) continue;
    const entry = await scope.board.await('round', isEnd(other), withinMs);
    if (entry === null || !isStep(entry, 'closed')) continue;
    const { sumHash, output } = entry.body.step;
    if (sumHash !== closed.sumHash || output !== closed.output) return false;
  }
  return true;
}
