import type { GrantStatus, LedgerEvent } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import type { Change } from '../desk/desk.ts';
import { followLedger } from '../follow-ledger.ts';
import type { Accesses } from './accesses.ts';
import type { Ending } from './ending.ts';
import { homeLimits } from './home-limits.ts';
import type { HomeHouse } from './home-means.ts';
import { creditIdOf, type GrantRow, type HomeRows } from './home-rows.ts';

type GrantEvent = Extract<LedgerEvent, { readonly grantId: Hex }>;

/** Who is told of what. */
interface Parts {
  readonly ending: Ending;
  readonly accesses: Accesses;
}

/** Takes the ledger's events, each once, into the grants they are about. */
export function followForHome(house: HomeHouse, parts: Parts): Promise<void> {
  const { desk, means, signal } = house;
  const cursor = desk.get('cursor', 'events');
  return followLedger({
    ledger: means.ledger,
    after: cursor === undefined ? null : { at: BigInt(cursor.at), place: cursor.place },
    signal,
    clock: house.clock,
    logger: house.logger,
    isOurs: (event) => {
      switch (event.kind) {
        case 'anchored':
          return means.custodians.some(({ account }) => account.toLowerCase() === event.custodian.toLowerCase());
        case 'withdrawn':
          return desk.get('credit', creditIdOf(event)) !== undefined;
        default:
          return desk.get('grant', event.grantId) !== undefined || desk.get('revoking', event.grantId) !== undefined;
      }
    },
    take: (event, place) => takeEvent(house, parts, event, place),
  });
}

async function takeEvent(
  house: HomeHouse,
  parts: Parts,
  event: LedgerEvent | null,
  { at, place }: { readonly at: bigint; readonly place: number },
): Promise<void> {
  if (event?.kind === 'anchored') await parts.accesses.anchored(event);
  const subjects = await house.desk.transact((change) => {
    change.put('cursor', 'events', { at: at.toString(), place });
    if (event === null) return [];
    if (event.kind === 'withdrawn') return takeWithdrawal(change, event);
    return 'grantId' in event ? takeGrantEvent(change, event) : [];
  });
  for (const subject of subjects) house.changed(subject);
  if (event?.kind === 'confirmed' || event?.kind === 'ended') parts.ending.settle(event.grantId);
}

function takeGrantEvent(change: Change<HomeRows>, event: GrantEvent): readonly string[] {
  const grant = change.get('grant', event.grantId);
  if (grant === undefined || event.kind === 'accessed') return [];
  const next = grantAfter(grant, event);
  const earned = grant.earned === undefined ? earnedBy(grant, event) : 0n;
  change.put('grant', event.grantId, earned > 0n ? { ...next, earned: earned.toString() } : next);
  if (earned > 0n) addCredit(change, grant, earned);
  if (event.kind === 'purchased' && grant.purchaseTransaction === null) {
    change.tell({ noticeId: `paid/${event.grantId}`, subject: grant.subject, kind: 'paid' });
  }
  return [grant.subject];
}

function grantAfter(grant: GrantRow, event: GrantEvent): GrantRow {
  switch (event.kind) {
    case 'purchased':
      return { ...grant, status: 'funded', deadline: event.deadline, purchaseTransaction: event.transaction };
    case 'ended':
      return { ...grant, status: event.status, deadline: 0, isRefunded: isRefund(grant.status, event.status) };
    case 'accessed':
      return grant;
    default:
      return { ...grant, status: statusAfter[event.kind], deadline: event.deadline };
  }
}

const statusAfter = { confirmed: 'active', delivered: 'delivered', disputed: 'disputed' } as const;

/** Closed with the money still held for delivery: it went back. */
function isRefund(before: GrantStatus, after: 'closed' | 'revoked'): boolean {
  return after === 'closed' && before === 'funded';
}

/** What the patient's purse gained. */
function earnedBy(grant: GrantRow, event: GrantEvent): bigint {
  if (event.kind === 'confirmed') return BigInt(grant.price);
  if (event.kind === 'ended' && grant.status === 'disputed') return BigInt(grant.price) - event.toBuyer;
  return 0n;
}

function addCredit(change: Change<HomeRows>, grant: GrantRow, earned: bigint): void {
  const id = creditIdOf(grant);
  const before = change.get('credit', id) ?? { amount: '0', nonce: 0 };
  change.put('credit', id, { ...before, amount: (BigInt(before.amount) + earned).toString() });
}

function takeWithdrawal(
  change: Change<HomeRows>,
  event: Extract<LedgerEvent, { readonly kind: 'withdrawn' }>,
): readonly string[] {
  const id = creditIdOf(event);
  const before = change.get('credit', id);
  const known = before?.withdrawals ?? [];
  if (before === undefined || known.includes(event.transaction)) return [];
  const amount = BigInt(before.amount) - event.amount;
  change.put('credit', id, {
    amount: (amount < 0n ? 0n : amount).toString(),
    nonce: before.nonce + 1,
    withdrawals: [event.transaction, ...known].slice(0, homeLimits.withdrawalsKeptMax),
  });
  const owners = [...change.all('grant')].filter(([, grant]) => creditIdOf(grant) === id);
  return [...new Set(owners.map(([, grant]) => grant.subject))];
}
