import { contentId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';
import { contractInForce, isStep, type RoundEntry } from './checks.ts';
import { enrol, type JoinOptions, ownContracts, signContract, taskOf } from './join.ts';
import { roundLimits } from './limits.ts';
import { fromBytes, toBytes } from './part-codec.ts';
import { attemptScope, patienceMs, sumLength, sumSettingsOf, termsFault } from './settings.ts';
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
import { resultStep } from './steps.ts';
import { secureSumOwner } from './sum-owner.ts';

/** How a site's run ended. */
export interface OwnerEnd {
  readonly kind: 'finished' | 'left' | 'over' | 'no-task';
  readonly attempts: readonly OwnerAttempt[];
  /** What the last round gave, its hash being the one on the board; null: it did not come, or there is none. */
  readonly result: Uint8Array | null;
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

/** One attempt, in a scope of its own. */
async function takePart(site: SiteInTask, opened: RoundEntry<'opened'>, reveals: number): Promise<OwnerPart> {
  const { taskId, task, dependencies } = site;
  const { round, attempt, step } = opened.body;
  const scope = await site.party.scope(attemptScope(round, attempt));
  const place = { taskId, task, round, attempt, sites: step.sites };
  const settings = sumSettingsOf(place, sumLength(task, dependencies.work));
  const isSettings = termsFault(settings) === null;
  const input = round === 1 ? dependencies.work.firstInput(task) : null;
  const prepared = await prepare(site, scope, opened, { reveals, isSettings, input });
  if (!('vector' in prepared)) return prepared;
  const part = await secureSumOwner(
    scope,
    { settings, aggregator: opened.author, vector: prepared.vector, patienceMs: patienceMs(task, roundLimits) },
    { author: dependencies.author, mayReveal: (sites) => mayReveal(site, scope, { round, attempt, sites }) },
  );
  if (part.kind === 'revealed') await closing(site, scope, opened);
  return part;
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
