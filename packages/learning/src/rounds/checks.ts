import type { EntryBodies, RoundStep, TaskBody } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import type { EntryOfParty } from '../party/party.ts';
import { roundLimits } from './limits.ts';

// What everybody checks of an attempt from the board alone: sites before they take part, the verifier afterwards, with the same words.

/** Why an attempt may not be opened as it was. */
export type OpeningFault =
  /** By somebody who does not sum in this task. */
  | 'not-aggregator'
  /** After the task's deadline. */
  | 'after-deadline'
  | 'too-few-sites'
  | 'too-many-sites'
  | 'site-twice'
  /** Whoever sums does not bring records of its own. */
  | 'aggregator-among-sites'
  | 'not-invited'
  /** A site whose key is not enrolled, or was revoked. */
  | 'key-not-enrolled'
  /** A site without a contract in force, or a list of contracts that is not theirs. */
  | 'no-contract'
  /** Past a site's own limit of rounds. */
  | 'past-rounds'
  /** Not the round after the last one that was summed, or past the task's. */
  | 'round-order'
  /** Not the next attempt of the round. */
  | 'attempt-order'
  | 'attempts-over'
  /** The round was opened to the end once: another set of sites would show the difference of two sums. */
  | 'opened-before'
  /** Not what the round before gave. */
  | 'wrong-input';

type StepName = RoundStep['name'];
/** A round's entry of one step. */
export type RoundEntry<Name extends StepName = StepName> = Omit<EntryOfParty<'round'>, 'body'> & {
  readonly body: Omit<EntryBodies['round'], 'step'> & { readonly step: Extract<RoundStep, { readonly name: Name }> };
};

export function isStep<Name extends StepName>(entry: EntryOfParty<'round'>, name: Name): entry is RoundEntry<Name> {
  return entry.body.step.name === name;
}

/** What stands on the board about a task, before some place in it. */
export interface TaskRecord {
  readonly id: string;
  readonly task: TaskBody;
  readonly keys: readonly EntryOfParty<'key'>[];
  readonly contracts: readonly EntryOfParty<'contract'>[];
  readonly rounds: readonly EntryOfParty<'round'>[];
}

/** A site's contract in force before place `index`, or null. */
export function contractInForce(
  contracts: readonly EntryOfParty<'contract'>[],
  site: PeerId,
  index: number,
): EntryOfParty<'contract'> | null {
  const own = contracts.filter((entry) => entry.author === site && entry.index < index);
  const last = own.at(-1);
  return last?.body.action === 'sign' ? last : null;
}

/** True when the key's last entry before place `index` leaves it in use. */
export function isEnrolled(keys: readonly EntryOfParty<'key'>[], subject: PeerId, index: number): boolean {
  const last = keys.filter((entry) => entry.body.subject === subject && entry.index < index).at(-1);
  return last !== undefined && last.body.action !== 'revoke';
}

/** Whether a site's limit of privacy spent (null: none) allows the task at all: without noise nothing bounds what a sum tells. */
export function isBudgetable({ privacy }: Pick<TaskBody, 'privacy'>, epsilonMax: number | null): boolean {
  return epsilonMax === null || privacy !== null;
}

/** Who opens attempts: the aggregator, or, where there is none, the first of the sites in order of their ids. */
export function openerOf(task: TaskBody, sites: readonly PeerId[]): PeerId | null {
  return task.aggregator ?? [...sites].sort()[0] ?? null;
}

/** Rounds a site was in whose vectors were opened, before place `index`. */
export function roundsOpenedWith(record: TaskRecord, site: PeerId, index: number): number {
  const rounds = record.rounds
    .filter((entry) => entry.index < index && isStep(entry, 'survivors'))
    .filter((entry) => isStep(entry, 'survivors') && entry.body.step.survivors.some((one) => one.site === site))
    .map(({ body }) => `${body.round}/${body.attempt}`);
  return new Set(rounds).size;
}

/** Why the attempt may not be opened like that, from what the board had then; null: it may. `firstInput`: hash of what round 1 starts from. */
export function openingFault(
  record: TaskRecord,
  opened: RoundEntry<'opened'>,
  firstInput: string | null,
): OpeningFault | null {
  const { task } = record;
  const { sites } = opened.body.step;
  if (opened.author !== openerOf(task, sites)) return 'not-aggregator';
  if (opened.createdMs > task.deadlineMs) return 'after-deadline';
  if (sites.length < Math.max(2, task.sitesMin)) return 'too-few-sites';
  if (sites.length > task.sitesMax) return 'too-many-sites';
  if (new Set(sites).size !== sites.length) return 'site-twice';
  if (task.aggregator !== null && sites.includes(task.aggregator)) return 'aggregator-among-sites';
  return sitesFault(record, opened) ?? orderFault(record, opened) ?? inputFault(record, opened, firstInput);
}

function sitesFault(record: TaskRecord, opened: RoundEntry<'opened'>): OpeningFault | null {
  const { task, contracts, keys } = record;
  const { sites, contracts: named } = opened.body.step;
  if (named.length !== sites.length) return 'no-contract';
  for (const [place, site] of sites.entries()) {
    if (task.invited.length > 0 && !task.invited.includes(site)) return 'not-invited';
    if (!isEnrolled(keys, site, opened.index)) return 'key-not-enrolled';
    const contract = contractInForce(contracts, site, opened.index);
    if (contract === null || contract.id !== named[place]) return 'no-contract';
    const roundsMax = contract.body.limits?.roundsMax ?? task.rounds;
    if (roundsOpenedWith(record, site, opened.index) >= roundsMax) return 'past-rounds';
  }
  return null;
}

function orderFault(record: TaskRecord, opened: RoundEntry<'opened'>): OpeningFault | null {
  const { round, attempt } = opened.body;
  const before = record.rounds.filter((entry) => entry.index < opened.index);
  if (round > record.task.rounds) return 'round-order';
  if (round > 1 && outputOf(record, round - 1, opened.index) === null) return 'round-order';
  const ofRound = before.filter((entry) => entry.body.round === round);
  if (ofRound.some((entry) => isStep(entry, 'closed') && entry.body.step.outcome === 'summed')) return 'round-order';
  if (attempt > roundLimits.attemptsMax) return 'attempts-over';
  const opens = ofRound.filter((entry) => isStep(entry, 'opened'));
  // By whoever opened it: where there is no aggregator, sites wait for that word before they count an attempt as over.
  const openerOfAttempt = (number: number) => opens.find(({ body }) => body.attempt === number)?.author;
  const failures = ofRound
    .filter((entry) => isStep(entry, 'closed') && entry.author === openerOfAttempt(entry.body.attempt))
    .map(({ body }) => body.attempt);
  const expected = new Set(opens.map(({ body }) => body.attempt)).size + 1;
  if (attempt !== expected || (attempt > 1 && !failures.includes(attempt - 1))) return 'attempt-order';
  if (opens.some(({ body }) => wasOpened(record, ofRound, body.attempt))) return 'opened-before';
  return null;
}

/** Whether vectors of an attempt may have been unmasked: a survivor set, or, without aggregator, the commitments of all sites. */
function wasOpened(record: TaskRecord, ofRound: readonly EntryOfParty<'round'>[], attempt: number): boolean {
  const ofAttempt = ofRound.filter(({ body }) => body.attempt === attempt);
  const committed = new Set(ofAttempt.filter((entry) => isStep(entry, 'survivors')).map(({ author }) => author));
  if (record.task.aggregator !== null) return committed.size > 0;
  const opened = ofAttempt.find((entry) => isStep(entry, 'opened'));
  return (
    opened !== undefined && isStep(opened, 'opened') && opened.body.step.sites.every((site) => committed.has(site))
  );
}

function inputFault(record: TaskRecord, opened: RoundEntry<'opened'>, firstInput: string | null): OpeningFault | null {
  const { round, step } = opened.body;
  const expected = round === 1 ? firstInput : outputOf(record, round - 1, opened.index);
  return expected === null || expected === step.input ? null : 'wrong-input';
}

/** The hash of what a round gave, once it was summed before place `index`. */
export function outputOf(record: TaskRecord, round: number, index: number): string | null {
  for (const entry of record.rounds) {
    if (entry.index >= index || entry.body.round !== round || !isStep(entry, 'closed')) continue;
    const { outcome, output } = entry.body.step;
    if (outcome === 'summed' && output !== undefined) return output;
  }
  return null;
}
