import type { Clock } from '@pulsemesh/base';
import { overLimit, RpcRefusal, rpcCodes } from '../errors.ts';
import type { SignedTransaction } from '../execution/signed-transaction.ts';
import { embeddedLimits } from '../limits.ts';
import { toHex } from '../state/hex.ts';

/** A transaction that waits to be sealed, and who waits for it. */
export interface Waiting {
  readonly signed: SignedTransaction;
  readonly nonce: bigint;
  readonly arrivedMs: number;
  /** Resolves once it is durable in a sealed block; rejects when it was refused. */
  readonly done: PromiseWithResolvers<void>;
}

/** Transactions that were taken and are not sealed yet: a few thousand at most, each for a few seconds at most. */
export class Pool {
  readonly #clock: Clock;
  /** By sender, then by nonce, in the order of their first arrival. */
  readonly #senders = new Map<string, Map<bigint, Waiting>>();
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a transaction whose sender's next nonce is `next`; the same one again joins the first. @throws {RpcRefusal} */
  add(signed: SignedTransaction, next: bigint): Promise<void> {
    const { nonce } = signed.tx;
    if (nonce < next) {
      throw new RpcRefusal(rpcCodes.input, `nonce too low: next nonce ${next}, tx nonce ${nonce}`);
    }
    if (nonce > next + BigInt(embeddedLimits.nonceGapMax)) throw overLimit('nonceGapMax');
    const mine = this.#senders.get(signed.senderHex) ?? new Map<bigint, Waiting>();
    const present = mine.get(nonce);
    if (present !== undefined) {
      if (toHex(present.signed.hash) === toHex(signed.hash)) return present.done.promise;
      throw new RpcRefusal(rpcCodes.input, 'replacement transaction underpriced: one with this nonce is being sealed');
    }
    if (this.#size >= embeddedLimits.waitingMax) throw overLimit('waitingMax');
    if (mine.size >= embeddedLimits.waitingPerSenderMax) throw overLimit('waitingPerSenderMax');
    const waiting = { signed, nonce, arrivedMs: this.#clock.monotonicMs(), done: Promise.withResolvers<void>() };
    mine.set(nonce, waiting);
    this.#senders.set(signed.senderHex, mine);
    this.#size += 1;
    return waiting.done.promise;
  }

  find(hash: Uint8Array): Waiting | undefined {
    const asked = toHex(hash);
    for (const mine of this.#senders.values()) {
      for (const waiting of mine.values()) if (toHex(waiting.signed.hash) === asked) return waiting;
    }
    return undefined;
  }

  /** The nonce after the last that follows without a gap. */
  nextNonce(sender: string, sealed: bigint): bigint {
    const mine = this.#senders.get(sender);
    let next = sealed;
    while (mine?.has(next)) next += 1n;
    return next;
  }

  /** Takes out a transaction whose turn it is: a sender's next, senders in turn. Undefined when only gaps are left. */
  take(nonceOf: (sender: string) => bigint): Waiting | undefined {
    for (const [sender, mine] of this.#senders) {
      const waiting = mine.get(nonceOf(sender));
      if (waiting === undefined) continue;
      this.#remove(sender, waiting.nonce);
      // To the end of the row: nobody's many hold up another's one.
      if (mine.size > 0) {
        this.#senders.delete(sender);
        this.#senders.set(sender, mine);
      }
      return waiting;
    }
    return undefined;
  }

  /** Puts back what `take` gave. */
  putBack(waiting: Waiting): void {
    const { senderHex } = waiting.signed;
    const mine = this.#senders.get(senderHex) ?? new Map<bigint, Waiting>();
    mine.set(waiting.nonce, waiting);
    this.#senders.set(senderHex, mine);
    this.#size += 1;
  }

  /** Refuses what cannot come to its turn any more, or has waited for it too long. */
  sweep(nonceOf: (sender: string) => bigint): void {
    const now = this.#clock.monotonicMs();
    for (const [sender, mine] of [...this.#senders]) {
      const next = nonceOf(sender);
      for (const waiting of [...mine.values()]) {
        const isLate = waiting.nonce > next && now - waiting.arrivedMs >= embeddedLimits.nonceGapMsMax;
        if (waiting.nonce >= next && !isLate) continue;
        this.#remove(sender, waiting.nonce);
        const kind = isLate ? 'nonce too high' : 'nonce too low';
        waiting.done.reject(new RpcRefusal(rpcCodes.input, `${kind}: next nonce ${next}, tx nonce ${waiting.nonce}`));
      }
    }
  }

  /** Refuses all. */
  rejectAll(reason: unknown): void {
    for (const mine of this.#senders.values()) for (const { done } of mine.values()) done.reject(reason);
    this.#senders.clear();
    this.#size = 0;
  }

  #remove(sender: string, nonce: bigint): void {
    const mine = this.#senders.get(sender);
    if (mine?.delete(nonce)) this.#size -= 1;
    if (mine?.size === 0) this.#senders.delete(sender);
  }
}
