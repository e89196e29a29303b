import type { TableChange, TableStore } from '@pulsemesh/store';
import { fromHex } from '@pulsemesh/wire';
import { z } from 'zod';
import type { DoneStep } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';
import type { Reservation } from './spending.ts';

/** One signed form of a transaction; replacements have the same nonce and higher fees. */
export interface SignedForm {
  readonly raw: Hex;
  readonly hash: Hex;
  /** Wei for a unit of gas, at most. */
  readonly feePerGas: bigint;
  readonly tip: bigint;
  /** When it was signed, milliseconds since 1970. */
  readonly signedMs: number;
}

/** A transaction that is to be on the ledger: written before it is sent, kept until it stays for good. */
export interface Intent {
  readonly key: Hex;
  readonly account: Hex;
  readonly call: { readonly to: Hex; readonly data: Hex; readonly value: bigint };
  readonly nonce: number;
  readonly gas: bigint;
  /** Oldest first. */
  readonly forms: readonly SignedForm[];
  /** What the spending limit counts for it. */
  readonly reserved: readonly Reservation[];
}

const hexSchema = z
  .string()
  .regex(/^0x([0-9a-f]{2})*$/i)
  .transform((text) => text as Hex); // as the pattern says
const amountSchema = z
  .string()
  .regex(/^\d{1,78}$/)
  .transform(BigInt);
const doneSchema = z.object({ transaction: hexSchema, at: amountSchema, gasUsed: amountSchema });
const intentSchema = z.object({
  key: hexSchema,
  account: hexSchema,
  call: z.object({ to: hexSchema, data: hexSchema, value: amountSchema }),
  nonce: z.int().min(0),
  gas: amountSchema,
  forms: z
    .array(
      z.object({ raw: hexSchema, hash: hexSchema, feePerGas: amountSchema, tip: amountSchema, signedMs: z.number() }),
    )
    .min(1),
  reserved: z.array(z.object({ token: hexSchema, amount: amountSchema, day: z.int().min(0) })),
});

const tables = { intents: 'ledger.intents', done: 'ledger.done', doneOrder: 'ledger.done-order' } as const;

/** What a process has under way on a ledger and what it did, durable. */
export class IntentStore {
  readonly #store: TableStore;

  constructor(store: TableStore) {
    this.#store = store;
  }

  /** Those under way of one account. */
  load(account: Hex): readonly Intent[] {
    return [...this.#store.range(tables.intents)]
      .map(({ value }) => intentSchema.parse(parse(value)))
      .filter((intent) => intent.account === account);
  }

  /** `others`: what has to be written with it, or not at all. */
  async put(intent: Intent, others: readonly TableChange[] = []): Promise<void> {
    await this.#store.commit([
      { kind: 'put', table: tables.intents, key: keyOf(intent.key), value: bytesOf(intent) },
      ...others,
    ]);
  }

  /** Takes it away; `done`: what repeating it is answered with. The oldest answers go past a limit. */
  async end(intent: Intent, done: DoneStep | null, others: readonly TableChange[] = []): Promise<void> {
    const changes: TableChange[] = [{ kind: 'remove', table: tables.intents, key: keyOf(intent.key) }, ...others];
    if (done !== null && this.#store.get(tables.done, keyOf(intent.key)) === undefined) {
      changes.push({ kind: 'put', table: tables.done, key: keyOf(intent.key), value: bytesOf(done) });
      changes.push(this.#ordered(intent.key), ...this.#surplus());
    }
    await this.#store.commit(changes);
  }

  /** What a step did, as far as that is remembered. */
  doneOf(key: Hex): DoneStep | null {
    const found = this.#store.get(tables.done, keyOf(key));
    return found === undefined ? null : doneSchema.parse(parse(found));
  }

  #ordered(key: Hex): TableChange {
    const [last] = this.#store.range(tables.doneOrder, { isReverse: true, limit: 1 });
    const place = last === undefined ? 0n : new DataView(last.key.slice().buffer).getBigUint64(0) + 1n;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, place);
    return { kind: 'put', table: tables.doneOrder, key: bytes, value: keyOf(key) };
  }

  #surplus(): TableChange[] {
    const surplus = this.#store.count(tables.doneOrder) + 1 - chainLimits.doneStepsMax;
    if (surplus <= 0) return [];
    return [...this.#store.range(tables.doneOrder, { limit: surplus })].flatMap(({ key, value }) => [
      { kind: 'remove' as const, table: tables.doneOrder, key },
      { kind: 'remove' as const, table: tables.done, key: value },
    ]);
  }
}

function keyOf(key: Hex): Uint8Array {
  return fromHex(key.slice(2), 32);
}

function bytesOf(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? one.toString() : one));
  return new TextEncoder().encode(text);
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
