import type { AnyBoardEntry, BoardEntry, EntryKind } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import { isStep, type RoundEntry, type TaskRecord } from '../rounds/checks.ts';

/** What one attempt left on the board, each thing said once for each author: a crash may have published it twice. */
export interface AttemptRecord {
  readonly round: number;
  readonly attempt: number;
  readonly opened: readonly RoundEntry<'opened'>[];
  readonly keys: readonly RoundEntry<'keys'>[];
  readonly survivors: readonly RoundEntry<'survivors'>[];
  readonly closed: readonly RoundEntry<'closed'>[];
}

/** All that the board has about one task. */
export interface RunRecord extends TaskRecord {
  readonly entry: BoardEntry<'task'>;
  /** In order of rounds, then attempts. */
  readonly attempts: readonly AttemptRecord[];
  readonly models: readonly BoardEntry<'model'>[];
  readonly evaluations: readonly BoardEntry<'evaluation'>[];
}

/** Gathers a task's entries (of a whole board, in order), or null where there is no such task. */
export function runRecordOf(entries: readonly AnyBoardEntry[], taskId: string): RunRecord | null {
  const entry = entries.find((one) => one.id === taskId);
  if (entry === undefined || entry.kind !== 'task') return null;
  const rounds = saidOnce(ofKind(entries, 'round').filter(({ body }) => body.task === taskId));
  return {
    id: taskId,
    entry,
    task: entry.body,
    keys: ofKind(entries, 'key'),
    contracts: ofKind(entries, 'contract').filter(({ body }) => body.task === taskId),
    rounds,
    attempts: attemptsOf(rounds),
    models: saidOnce(ofKind(entries, 'model').filter(({ body }) => body.task === taskId)),
    evaluations: ofKind(entries, 'evaluation').filter(({ body }) => body.task === taskId),
  };
}

function ofKind<Kind extends EntryKind>(entries: readonly AnyBoardEntry[], kind: Kind): BoardEntry<Kind>[] {
  return entries.filter((entry) => entry.kind === kind) as AnyBoardEntry[] as BoardEntry<Kind>[]; // filtered by kind
}

function saidOnce<Entry extends { readonly author: PeerId; readonly body: unknown }>(
  entries: readonly Entry[],
): Entry[] {
  const said = new Set<string>();
  return entries.filter(({ author, body }) => {
    const text = `${author} ${textOf(body)}`;
    if (said.has(text)) return false;
    said.add(text);
    return true;
  });
}

/** Equal bodies, equal texts: fields in one order, whoever made the object. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Uint8Array) return [...inner];
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)));
  });
}

function attemptsOf(rounds: readonly BoardEntry<'round'>[]): AttemptRecord[] {
  const byPlace = new Map<string, BoardEntry<'round'>[]>();
  for (const entry of rounds) {
    const place = `${entry.body.round}/${entry.body.attempt}`;
    const known = byPlace.get(place);
    if (known === undefined) byPlace.set(place, [entry]);
    else known.push(entry);
  }
  return [...byPlace.values()]
    .map((entries) => {
      const { round, attempt } = (entries[0] as BoardEntry<'round'>).body; // a group has one at least
      return {
        round,
        attempt,
        opened: entries.filter((entry) => isStep(entry, 'opened')),
        keys: entries.filter((entry) => isStep(entry, 'keys')),
        survivors: entries.filter((entry) => isStep(entry, 'survivors')),
        closed: entries.filter((entry) => isStep(entry, 'closed')),
      };
    })
    .sort((one, other) => one.round - other.round || one.attempt - other.attempt);
}
