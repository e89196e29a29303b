import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LedgerEvent } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import { ChainWorld, word } from '../chain-world.testing.ts';
import type { ChainLedger, ConnectChainOptions } from '../connect-chain.ts';
import { FaultyProvider } from '../faulty-provider.testing.ts';
import { mayHoldLogsOf } from './log-bloom.ts';

let world: ChainWorld;
let writer: ChainLedger;
beforeAll(async () => {
  world = await ChainWorld.start();
  writer = await world.connect();
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

const ask = (method: string, params: readonly unknown[] = []) => world.chain.ask(method, params);
const head = async () => BigInt((await ask('eth_blockNumber')) as string);

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(10);
}

async function anchor(count: bigint): Promise<void> {
  await writer.perform({ step: 'anchor', previous: word(1), root: word(2), count });
}

const countsOf = (events: readonly LedgerEvent[]) =>
  events.flatMap((event) => (event.kind === 'anchored' ? [event.count] : []));

/** Reads on in the background. */
function reader(ledger: ChainLedger, from: bigint) {
  const stopped = new AbortController();
  const events: LedgerEvent[] = [];
  const reading = (async () => {
    for await (const event of ledger.events(from, { signal: stopped.signal })) events.push(event);
  })();
  return {
    events,
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await reading;
    },
  };
}

/** What a reader that starts now is told. */
async function readOnce(
  from: bigint,
  countLast: bigint,
  options: Partial<ConnectChainOptions> = {},
): Promise<readonly LedgerEvent[]> {
  await using ledger = await world.connect({ signer: null, ...options });
  await using once = reader(ledger, from);
  await until(() => countsOf(once.events).includes(countLast));
  return once.events;
}

function expectOrdered(events: readonly LedgerEvent[]): void {
  for (const [index, { at, place }] of events.entries()) {
    const before = events[index - 1];
    if (before !== undefined) expect(at > before.at || (at === before.at && place > before.place)).toBe(true);
  }
}

describe('events', () => {
  it('come in order, each once, and go on from where a reader stopped', async () => {
    const from = (await head()) + 1n;
    for (const count of [1n, 2n, 3n, 4n]) await anchor(count);
    const all = await readOnce(from, 4n);
    expect(countsOf(all)).toEqual([1n, 2n, 3n, 4n]);
    expectOrdered(all);
    const second = all[1];
    expect(countsOf(await readOnce((second?.at ?? 0n) + 1n, 4n))).toEqual([3n, 4n]);
  });

  it.each([1, 2, 3, 4, 5, 6])('are the final ones through a reorganisation of %i blocks', async (depth) => {
    await using ledger = await world.connect({ finality: { kind: 'depth', blocks: 6 }, signer: null });
    const from = (await head()) + 1n;
    await using live = reader(ledger, from);
    const base = BigInt(100 * depth);
    for (let index = 1n; index <= 7n; index += 1n) await anchor(base + index);
    // Other transactions in the same blocks' place: some of the old branch's are not in the new one.
    await ask('anvil_reorg', [depth, []]);
    await anchor(base + 50n);
    await ask('anvil_mine', ['0x7']);
    await until(() => countsOf(live.events).includes(base + 50n));
    const fresh = await readOnce(from, base + 50n);
    expect(live.events).toEqual(fresh);
    expect(countsOf(live.events).slice(0, 7 - depth)).toEqual(
      Array.from({ length: 7 - depth }, (_, index) => base + BigInt(index + 1)),
    );
    expectOrdered(live.events);
  });

  it('of a branch that replaces final blocks are read from where it begins', async () => {
    await using ledger = await world.connect({ signer: null });
    const from = (await head()) + 1n;
    await anchor(1_001n);
    const snapshot = await ask('evm_snapshot');
    await anchor(1_002n);
    await using live = reader(ledger, from);
    await until(() => countsOf(live.events).length === 2);
    await ask('evm_revert', [snapshot]); // the head lies before what was read
    await ask('anvil_mine', ['0x1']);
    await anchorElsewhere(1_003n);
    await until(() => countsOf(live.events).includes(1_003n));
    expect(countsOf(live.events)).toEqual([1_001n, 1_002n, 1_003n]);
  });

  it('are all found where a provider answers for few blocks at a time', async () => {
    const from = (await head()) + 1n;
    for (const count of [2_001n, 2_002n]) {
      await anchor(count);
      await ask('anvil_mine', ['0x9']);
    }
    await anchor(2_003n);
    await using narrow = await FaultyProvider.start(world.chain.url, ({ method, params }) => {
      if (method !== 'eth_getLogs') return null;
      const { fromBlock, toBlock } = params[0] as { fromBlock: Hex; toBlock: Hex };
      const tooWide = BigInt(toBlock) - BigInt(fromBlock) >= 3n;
      return tooWide ? { kind: 'error', code: -32_005, message: 'query returned more than 10000 results' } : null;
    });
    expect(countsOf(await readOnce(from, 2_003n, { urls: [narrow.url] }))).toEqual([2_001n, 2_002n, 2_003n]);
  });

  it('that a provider leaves out are missed by the blocks’ blooms, and nothing passes until they are told', async () => {
    const from = (await head()) + 1n;
    for (const count of [3_001n, 3_002n, 3_003n]) await anchor(count);
    await using liar = await FaultyProvider.start(world.chain.url, ({ method }) =>
      method === 'eth_getLogs' ? { kind: 'change', change: (logs) => (logs as unknown[]).slice(1) } : null,
    );
    await using ledger = await world.connect({ urls: [liar.url], signer: null });
    await using live = reader(ledger, from);
    await until(() => (liar.asked.get('eth_getBlockReceipts') ?? 0) > 1);
    expect(live.events).toEqual([]);
    liar.fault = () => null;
    await until(() => countsOf(live.events).includes(3_003n));
    expect(countsOf(live.events)).toEqual([3_001n, 3_002n, 3_003n]);
  });

  it('that a provider leaves out, and whose blooms it forges, are told by a second one', async () => {
    const from = (await head()) + 1n;
    for (const count of [4_001n, 4_002n]) await anchor(count);
    const noBloom = (block: unknown) => ({ ...(block as object), logsBloom: `0x${'0'.repeat(512)}` });
    await using liar = await FaultyProvider.start(world.chain.url, ({ method }) => {
      if (method === 'eth_getLogs') return { kind: 'result', result: [] };
      return method === 'eth_getBlockByNumber' ? { kind: 'change', change: noBloom } : null;
    });
    const urls = [liar.url, world.chain.url];
    expect(countsOf(await readOnce(from, 4_002n, { urls }))).toEqual([4_001n, 4_002n]);
  });

  it('go on after a provider was away', async () => {
    const from = (await head()) + 1n;
    await anchor(5_001n);
    await using faulty = await FaultyProvider.start(world.chain.url);
    await using ledger = await world.connect({ urls: [faulty.url], signer: null });
    await using live = reader(ledger, from);
    await until(() => countsOf(live.events).includes(5_001n));
    faulty.fault = () => ({ kind: 'drop' });
    await anchor(5_002n);
    const asked = () => [...faulty.asked.values()].reduce((sum, count) => sum + count, 0);
    const before = asked();
    await until(() => asked() > before + 2);
    faulty.fault = () => null;
    await until(() => countsOf(live.events).includes(5_002n));
    expect(countsOf(live.events)).toEqual([5_001n, 5_002n]);
  });
});

/** By an account that no ledger of these tests follows transactions of. */
async function anchorElsewhere(count: bigint): Promise<void> {
  await using other = await world.connect({ signer: world.custodian });
  await other.perform({ step: 'anchor', previous: word(1), root: word(2), count });
}

describe('a bloom', () => {
  it('says of each address that was added that it may be there, and of none that is empty', () => {
    const address: Hex = '0x095e7baea6a6c7c4c2dfeb977efac326af552d87';
    expect(mayHoldLogsOf(`0x${'f'.repeat(512)}`, address)).toBe(true);
    expect(mayHoldLogsOf(`0x${'0'.repeat(512)}`, address)).toBe(false);
  });
});
