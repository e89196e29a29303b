import type { TaskBody } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import { contractInForce, isBudgetable, openerOf, openingFault, type RoundEntry } from '../rounds/checks.ts';
import { sumSettingsOf, termsFault } from '../rounds/settings.ts';
import { type Finding, type FindingKind, findingOf } from './finding.ts';
import { type AttemptRecord, type RunRecord, textOf } from './run-record.ts';
import type { VerifyMeans } from './verify-run.ts';

type Note = (kind: FindingKind, entries: readonly { readonly id: string; readonly author: PeerId }[]) => void;

/** What is wrong with the rounds of a run, attempt by attempt. */
export function attemptFindings(record: RunRecord, means: VerifyMeans): Finding[] {
  return record.attempts.flatMap((attempt) => {
    const findings: Finding[] = [];
    const note: Note = (kind, entries) => {
      const { round, attempt: number } = attempt;
      findings.push(findingOf(kind, { who: entries.at(-1)?.author ?? null, round, attempt: number, entries }));
    };
    const [opened] = attempt.opened;
    const steps = [...attempt.keys, ...attempt.survivors, ...attempt.closed];
    if (opened === undefined) {
      note('step-without-opening', steps);
      return findings;
    }
    for (const one of attempt.opened) {
      const fault = openingFault(record, one, means.firstInput ?? null);
      if (fault !== null) note(fault, one === opened ? [one] : [opened, one]);
    }
    noteAuthors(record.task, opened, attempt, note);
    noteContradictions(record.task, attempt, note);
    noteOrder(opened, attempt, note);
    noteSets(record.task, opened, attempt, note);
    noteEnd(record, opened, attempt, means, note);
    return findings;
  });
}

/** Steps are the aggregator's, or, where there is none, each site's own. */
function noteAuthors(task: TaskBody, opened: RoundEntry<'opened'>, attempt: AttemptRecord, note: Note): void {
  const { sites } = opened.body.step;
  const isEntitled = (author: PeerId) =>
    task.aggregator === null ? sites.includes(author) : author === openerOf(task, sites);
  for (const entry of [...attempt.keys, ...attempt.survivors, ...attempt.closed]) {
    if (!isEntitled(entry.author)) note('foreign-step', [opened, entry]);
  }
}

/** Each author says each step once. */
function noteContradictions(task: TaskBody, attempt: AttemptRecord, note: Note): void {
  const twice = <Entry extends { readonly id: string; readonly author: PeerId }>(
    kind: FindingKind,
    entries: readonly Entry[],
  ) => {
    const byAuthor = Map.groupBy(entries, ({ author }) => author);
    for (const said of byAuthor.values()) if (said.length > 1) note(kind, said);
  };
  twice('two-key-lists', attempt.keys);
  twice('two-survivor-sets', attempt.survivors);
  twice('two-endings', attempt.closed);
  if (task.aggregator !== null) return;
  const results = attempt.closed.filter(({ body }) => body.step.outcome === 'summed');
  const said = new Set(results.map(({ body }) => textOf([body.step.sumHash, body.step.output, body.step.sites])));
  if (said.size > 1) note('sums-differ', results);
}

function noteOrder(opened: RoundEntry<'opened'>, attempt: AttemptRecord, note: Note): void {
  const steps = [[opened], attempt.keys, attempt.survivors, attempt.closed].filter((entries) => entries.length > 0);
  for (const [at, entries] of steps.entries()) {
    const before = steps[at - 1] ?? [];
    const first = entries[0] as { readonly id: string; readonly author: PeerId; readonly index: number }; // not empty
    if (before.every(({ index }) => index > first.index) && before.length > 0) note('step-order', [...before, first]);
  }
}

/** Who was asked ⊇ whose keys ⊇ who survived, and enough of them. */
function noteSets(task: TaskBody, opened: RoundEntry<'opened'>, attempt: AttemptRecord, note: Note): void {
  const { sites } = opened.body.step;
  const [keys] = attempt.keys;
  for (const list of attempt.keys) {
    if (!isWithin(list.body.step.sites, sites)) note('stranger-in-keys', [opened, list]);
  }
  const { round, attempt: number } = attempt;
  const place = { taskId: opened.body.task, task, round, attempt: number, sites };
  const settings = sumSettingsOf(place, 1);
  const { survivorsMin } = settings;
  if (task.aggregator !== null && termsFault(settings) !== null) note('settings', [opened]);
  for (const set of attempt.survivors) {
    const named = set.body.step.survivors.map(({ site }) => site);
    if (task.aggregator === null) {
      if (named.length !== 1 || named[0] !== set.author) note('stranger-in-survivors', [opened, set]);
      continue;
    }
    if (!isWithin(named, keys?.body.step.sites ?? []))
      note('stranger-in-survivors', keys === undefined ? [set] : [keys, set]);
    if (named.length < survivorsMin) note('too-few-survivors', [opened, set]);
  }
}

function isWithin(some: readonly PeerId[], all: readonly PeerId[]): boolean {
  const allowed = new Set(all);
  return some.every((one) => allowed.has(one));
}

/** What is said to have come of it, and what it cost. */
function noteEnd(
  record: RunRecord,
  opened: RoundEntry<'opened'>,
  attempt: AttemptRecord,
  means: VerifyMeans,
  note: Note,
): void {
  const survivors = survivorsOf(record.task, attempt);
  for (const closed of attempt.closed) {
    const { outcome, sumHash, output, sites } = closed.body.step;
    if (outcome === 'failed') continue;
    if (survivors.length === 0) note('sum-without-survivors', [opened, closed]);
    else if (sites !== survivors.length) note('survivors-miscounted', [...attempt.survivors, closed]);
    if (sumHash === undefined || output === undefined) note('closed-incomplete', [closed]);
    noteBudget(record, survivors, closed, means, note);
  }
}

function survivorsOf(task: TaskBody, { survivors }: AttemptRecord): readonly PeerId[] {
  const sets = task.aggregator === null ? survivors : survivors.slice(0, 1);
  return sets.flatMap(({ body }) => body.step.survivors.map(({ site }) => site));
}

function noteBudget(
  record: RunRecord,
  survivors: readonly PeerId[],
  closed: RoundEntry<'closed'>,
  { accountant }: VerifyMeans,
  note: Note,
): void {
  const { privacy, sitesMin } = record.task;
  const { epsilon = null } = closed.body.step;
  const contracts = survivors
    .map((site) => contractInForce(record.contracts, site, closed.index))
    .filter((entry) => entry !== null);
  if (privacy === null) {
    const bounded = contracts.filter(({ body }) => !isBudgetable(record.task, body.limits?.epsilonMax ?? null));
    if (bounded.length > 0) note('over-budget', [record.entry, ...bounded, closed]);
    return;
  }
  const computed = accountant?.epsilonAfter(privacy, closed.body.round, sitesMin) ?? epsilon;
  if (computed === null || epsilon === null || Math.abs(epsilon - computed) > roundingOf(computed)) {
    note('epsilon-misstated', [closed]);
  }
  const spent = computed ?? epsilon ?? Number.POSITIVE_INFINITY;
  const over = contracts.filter(({ body }) => spent > (body.limits?.epsilonMax ?? Number.POSITIVE_INFINITY));
  if (spent > privacy.epsilonMax || over.length > 0) note('over-budget', [record.entry, ...over, closed]);
}

/** Logarithms differ in the last places between machines. */
function roundingOf(epsilon: number): number {
  return 1e-9 * Math.max(1, epsilon);
}
