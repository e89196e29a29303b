import type { TableChange, TableStore } from '@pulsemesh/store';
import { zeroAddress } from 'viem';
import { SpendingLimitError } from '../../grants/errors.ts';
import type { Hex } from '../../offer/offer.ts';
import { chainLimits } from '../chain-limits.ts';

/** How much of one token may leave the account, whole units. The chain's own coin (zero address) includes what gas costs. */
export interface SpendingLimit {
  readonly token: Hex;
  /** Between two midnights, UTC. */
  readonly perDay: bigint;
  /** Ever, by this store. */
  readonly total: bigint;
}

/** What was counted for one transaction. */
export interface Reservation {
  readonly token: Hex;
  readonly amount: bigint;
  /** Days since 1970, UTC. */
  readonly day: number;
}

const table = 'ledger.spending';
const dayMs = 86_400_000;

/**
 * Counts what an account spends, durable, before anything is sent. With limits, a token that none names may not be spent at all; an
 * empty list means no limits.
 */
export class Spending {
  readonly #limits: ReadonlyMap<string, SpendingLimit>;
  readonly #store: TableStore;
  readonly #account: Hex;

  /** @throws {RangeError} for too many limits, or a token that two of them name. */
  constructor(limits: readonly SpendingLimit[], account: Hex, store: TableStore) {
    this.#limits = new Map(limits.map((limit) => [limit.token.toLowerCase(), limit]));
    if (limits.length > chainLimits.limitedTokensMax || this.#limits.size !== limits.length) {
      throw new RangeError('a spending limit names each token once, and few');
    }
    this.#account = account;
    this.#store = store;
  }

  /**
   * What is to be written with the transaction that spends. Call it where nothing else reserves meanwhile.
   * @throws {SpendingLimitError} with what is left.
   */
  reserve(
    amounts: readonly { readonly token: Hex; readonly amount: bigint }[],
    nowMs: number,
  ): { readonly reserved: readonly Reservation[]; readonly changes: readonly TableChange[] } {
    if (this.#limits.size === 0) return { reserved: [], changes: [] };
    const day = Math.floor(nowMs / dayMs);
    const sums = new Map<string, bigint>();
    for (const { token, amount } of amounts)
      sums.set(token.toLowerCase(), (sums.get(token.toLowerCase()) ?? 0n) + amount);
    const reserved = [...sums]
      .filter(([, amount]) => amount > 0n)
      .map(([token, amount]) => ({ token: token as Hex, amount, day })); // lower case of what was one
    for (const reservation of reserved) this.#assertWithin(reservation);
    return { reserved, changes: this.#changes(reserved, []) };
  }

  /** What is to be written when less was spent in the end: `kept` of what was `reserved` stays counted. */
  release(reserved: readonly Reservation[], kept: readonly { readonly token: Hex; readonly amount: bigint }[]) {
    const left = new Map<string, bigint>();
    for (const { token, amount } of kept) left.set(token.toLowerCase(), (left.get(token.toLowerCase()) ?? 0n) + amount);
    // What was reserved more than once for a token (fees that were raised) is used up in turn: nothing counts twice.
    const given = reserved.map(({ token, amount, day }) => {
      const spent = left.get(token.toLowerCase()) ?? 0n;
      const used = spent < amount ? spent : amount;
      left.set(token.toLowerCase(), spent - used);
      return { token, day, amount: amount - used };
    });
    return this.#changes([], given);
  }

  /** What may still be spent today and in total; null: no limit. */
  left(token: Hex, nowMs: number): { readonly today: bigint; readonly total: bigint } | null {
    if (this.#limits.size === 0) return null;
    const limit = this.#limits.get(token.toLowerCase());
    const day = Math.floor(nowMs / dayMs);
    return {
      today: leftOf(limit?.perDay ?? 0n, this.#spent(token, day)),
      total: leftOf(limit?.total ?? 0n, this.#spent(token, null)),
    };
  }

  #assertWithin({ token, amount, day }: Reservation): void {
    const limit = this.#limits.get(token);
    const name = token === zeroAddress ? 'the chain’s coin' : `token ${token}`;
    const perDay = limit?.perDay ?? 0n;
    const today = leftOf(perDay, this.#spent(token, day));
    if (amount > today) throw new SpendingLimitError('day', { token: name, asked: amount, left: today, limit: perDay });
    const inTotal = limit?.total ?? 0n;
    const left = leftOf(inTotal, this.#spent(token, null));
    if (amount > left) throw new SpendingLimitError('total', { token: name, asked: amount, left, limit: inTotal });
  }

  #changes(added: readonly Reservation[], taken: readonly Reservation[]): TableChange[] {
    const sums = new Map<string, { token: Hex; day: number | null; by: bigint }>();
    const add = (token: Hex, day: number | null, by: bigint) => {
      const key = `${token}/${day ?? 'total'}`;
      sums.set(key, { token, day, by: (sums.get(key)?.by ?? 0n) + by });
    };
    const all = [...added, ...taken.map((one) => ({ ...one, amount: -one.amount }))];
    for (const { token, day, amount } of all) {
      add(token, day, amount);
      add(token, null, amount);
    }
    return [...sums.values()]
      .filter(({ by }) => by !== 0n)
      .map(({ token, day, by }) => this.#put(token, day, this.#spent(token, day) + by));
  }

  #put(token: Hex, day: number | null, amount: bigint): TableChange {
    const value = new TextEncoder().encode((amount > 0n ? amount : 0n).toString());
    return { kind: 'put', table, key: this.#key(token, day), value };
  }

  /** One line a day and token; a store of ten years has some thousands. */
  #spent(token: Hex, day: number | null): bigint {
    const found = this.#store.get(table, this.#key(token, day));
    return found === undefined ? 0n : BigInt(new TextDecoder().decode(found));
  }

  #key(token: Hex, day: number | null): Uint8Array {
    return new TextEncoder().encode(`${this.#account}/${token}/${day ?? 'total'}`.toLowerCase());
  }
}

function leftOf(limit: bigint, spent: bigint): bigint {
  return limit > spent ? limit - spent : 0n;
}
