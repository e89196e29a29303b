import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import type { SignedTransaction } from '../execution/signed-transaction.ts';
import { embeddedLimits } from '../limits.ts';
import { Pool } from './pool.ts';

/** What the pool looks at of a transaction. */
function transaction(sender: string, nonce: number, mark = 0): SignedTransaction {
  const hash = new TextEncoder().encode(`${sender}.${nonce}.${mark}`);
  return { tx: { nonce: BigInt(nonce) }, hash, senderHex: sender } as unknown as SignedTransaction;
}

const atZero = () => 0n;
const taken = (pool: Pool, nonces: Map<string, bigint>) => {
  const order: string[] = [];
  for (;;) {
    const waiting = pool.take((sender) => nonces.get(sender) ?? 0n);
    if (waiting === undefined) return order;
    const { senderHex } = waiting.signed;
    nonces.set(senderHex, waiting.nonce + 1n);
    order.push(`${senderHex}${waiting.nonce}`);
  }
};

describe('a pool', () => {
  it('gives a sender its turn in the order of nonces, and senders theirs in turn', () => {
    const pool = new Pool(new VirtualClock());
    for (const nonce of [2, 0, 1]) void pool.add(transaction('a', nonce), 0n);
    void pool.add(transaction('b', 0), 0n);
    void pool.add(transaction('c', 1), 0n);
    expect(taken(pool, new Map())).toEqual(['a0', 'b0', 'a1', 'a2']);
    expect(pool.size).toBe(1);
    expect(pool.nextNonce('c', 0n)).toBe(0n);
    expect(pool.nextNonce('c', 1n)).toBe(2n);
  });

  it('joins the same transaction sent twice, and refuses another with its nonce', () => {
    const pool = new Pool(new VirtualClock());
    const first = pool.add(transaction('a', 0), 0n);
    expect(pool.add(transaction('a', 0), 0n)).toBe(first);
    expect(() => pool.add(transaction('a', 0, 1), 0n)).toThrow(expect.objectContaining({ rpcCode: -32_000 }));
    expect(pool.size).toBe(1);
  });

  it('is full at its limits', () => {
    const pool = new Pool(new VirtualClock());
    const full = (limit: string) =>
      expect.objectContaining({ rpcCode: -32_005, facts: expect.objectContaining({ limit }) });
    for (let nonce = 0; nonce < embeddedLimits.waitingPerSenderMax; nonce += 1)
      void pool.add(transaction('a', nonce), 0n);
    expect(() => pool.add(transaction('a', embeddedLimits.waitingPerSenderMax), 0n)).toThrow(
      full('waitingPerSenderMax'),
    );
    expect(() => pool.add(transaction('b', embeddedLimits.nonceGapMax + 1), 0n)).toThrow(full('nonceGapMax'));
    for (let sender = 0; pool.size < embeddedLimits.waitingMax; sender += 1)
      void pool.add(transaction(`x${sender}`, 0), 0n);
    expect(() => pool.add(transaction('c', 0), 0n)).toThrow(full('waitingMax'));
  });

  it('refuses in time what waits for a gap to close, and at once what came too late', async () => {
    const clock = new VirtualClock();
    const pool = new Pool(clock);
    const gap = pool.add(transaction('a', 1), 0n);
    const used = pool.add(transaction('b', 0), 0n);
    const ready = pool.add(transaction('c', 0), 0n);
    const refusals = Promise.allSettled([gap, used]);
    pool.sweep((sender) => (sender === 'b' ? 1n : 0n));
    expect(pool.size).toBe(2);
    await clock.advance(embeddedLimits.nonceGapMsMax);
    pool.sweep(atZero);
    expect(pool.size).toBe(1);
    const texts = (await refusals).map((one) => (one.status === 'rejected' ? String(one.reason.message) : ''));
    expect(texts).toEqual(['nonce too high: next nonce 0, tx nonce 1', 'nonce too low: next nonce 1, tx nonce 0']);
    pool.rejectAll(new Error('closed'));
    await expect(ready).rejects.toThrow('closed');
  });
});
