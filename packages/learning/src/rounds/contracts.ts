import type { TaskBody } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import type { EntryOfParty, Party } from '../party/party.ts';
import { contractInForce, isBudgetable, isEnrolled, roundsOpenedWith, type TaskRecord } from './checks.ts';
import type { Accountant } from './work.ts';

/** Who can be asked in the next attempt: sites in order of their ids, each with its contract. */
export type Askable =
  | { readonly kind: 'asked'; readonly sites: readonly PeerId[]; readonly contracts: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: 'after-deadline' | 'too-few-sites' };

/** Who is under contract, enrolled and within its own limits, as far as the deadline allows anything to begin. */
export async function whomToAsk(
  party: Party,
  { taskId, task }: { readonly taskId: string; readonly task: TaskBody },
  /** What each would have spent after this round; null: no noise. */
  epsilon: number | null,
): Promise<Askable> {
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
    .filter((entry) => isAskable(record, entry, epsilon))
    .slice(0, task.sitesMax);
  const sites = inForce.map(({ author }) => author);
  if (sites.length < Math.max(2, task.sitesMin)) return { kind: 'failed', reason: 'too-few-sites' };
  return { kind: 'asked', sites, contracts: inForce.map(({ id }) => id) };
}

/** ε after so many rounds; null without noise. */
export function epsilonAfterRound(task: TaskBody, accountant: Accountant | null, round: number): number | null {
  if (task.privacy === null || accountant === null) return null;
  return accountant.epsilonAfter(task.privacy, round, task.sitesMin);
}

function isAskable(record: TaskRecord, contract: EntryOfParty<'contract'>, epsilon: number | null): boolean {
  const { task, keys } = record;
  const site = contract.author;
  const limits = contract.body.limits;
  if (site === task.aggregator || (task.invited.length > 0 && !task.invited.includes(site))) return false;
  if (!isEnrolled(keys, site, Number.POSITIVE_INFINITY)) return false;
  if (!isBudgetable(task, limits?.epsilonMax ?? null)) return false;
  if (epsilon !== null && epsilon > (limits?.epsilonMax ?? Number.POSITIVE_INFINITY)) return false;
  return roundsOpenedWith(record, site, Number.POSITIVE_INFINITY) < (limits?.roundsMax ?? task.rounds);
}

/** Waits until as many as may have signed, or until `joinMs` are over and as many as must have, or until the deadline. */
export async function enoughContracts(
  party: Party,
  { taskId, task }: { readonly taskId: string; readonly task: TaskBody },
  joinMs: number,
): Promise<void> {
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
