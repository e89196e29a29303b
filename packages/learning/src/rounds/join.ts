import type { ContractBody, TaskBody } from '@pulsemesh/board';
import type { EntryOfParty, Party } from '../party/party.ts';
import { contractInForce, isEnrolled } from './checks.ts';
import { fromBytes, toBytes } from './part-codec.ts';

/** How a site joins: under its own limits, with what it says of its data. */
export interface JoinOptions {
  readonly taskId: string;
  readonly limits: NonNullable<ContractBody['limits']>;
  readonly data: NonNullable<ContractBody['data']>;
  readonly enrolment: Enrolment;
}

/** How a key is enrolled where the board does not have it. */
export interface Enrolment {
  /** An organisation's. */
  readonly name: string;
  /** The contact card, signed with the party's key. */
  readonly card: Uint8Array;
}

/** The task, once it is on the board; null when it is not in `withinMs`. */
export async function taskOf(party: Party, taskId: string, withinMs: number): Promise<TaskBody | null> {
  const entry = await party.board.await('task', ({ id }) => id === taskId, withinMs);
  return entry?.body ?? null;
}

/** Enrols the party's key where the board does not have it. */
export async function enrol(party: Party, enrolment: Enrolment): Promise<void> {
  // Cards are made anew at each start of a program, and what was published is what stays.
  const { name, card } = fromBytes<Enrolment>(
    await party.once('enrolment', () => toBytes({ name: enrolment.name, card: enrolment.card })),
  );
  const keys = await party.board.list('key', ({ body }) => body.subject === party.self);
  if (isEnrolled(keys, party.self, Number.POSITIVE_INFINITY)) return;
  await party.board.publish('key', { action: 'enrol', subject: party.self, name, card });
}

/** Signs the contract, unless one of this site is in force; null when the site left before: it does not come back by itself. */
export async function signContract(party: Party, options: JoinOptions): Promise<ContractBody | null> {
  const { taskId, limits, data } = options;
  const own = await ownContracts(party, taskId);
  const inForce = contractInForce(own, party.self, Number.POSITIVE_INFINITY);
  if (inForce !== null) return inForce.body;
  if (own.length > 0) return null;
  // Counts may be others at the next start.
  const signed = await party.once('contract', () => toBytes({ task: taskId, action: 'sign', limits, data }));
  const body = fromBytes<ContractBody>(signed);
  await party.board.publish('contract', body);
  return body;
}

/** What this site signed for a task, and took back. */
export function ownContracts(party: Party, taskId: string): Promise<readonly EntryOfParty<'contract'>[]> {
  return party.board.list('contract', ({ author, body }) => author === party.self && body.task === taskId);
}
