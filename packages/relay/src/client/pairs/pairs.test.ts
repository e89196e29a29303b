import { createSystemClock } from '@pulsemesh/base';
import { toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../../engines/memory/memory-engine.ts';
import { type createMemoryInboxState, createMemoryPairs, type PairStore, type SendReceipt } from '../index.ts';
import { SealedWorld } from './sealed-world.ts';

const clock = createSystemClock({ unref: true });
const encode = (text: string) => new TextEncoder().encode(text);

/** A relay whose envelopes are noted, and agents at it. */
function startWorld() {
  const world = new SealedWorld({ clock });
  const engine = createMemoryEngine({}, world.dependencies);
  const kinds: string[] = [];
  const append = engine.append.bind(engine);
  engine.append = (batch) => {
    for (const { kind, envelope } of batch) {
      if (kind === 'message') kinds.push(envelope[0] === 2 ? 'session' : 'envelope');
    }
    return append(batch);
  };
  world.startRelay('relay', engine);
  return { world, engine, kinds };
}

async function agent(
  world: SealedWorld,
  name: string,
  options: { pairs?: PairStore; inboxState?: ReturnType<typeof createMemoryInboxState> } = {},
) {
  const joined = await world.join(name, ['relay'], options);
  const received: string[] = [];
  const waits = new Set<() => void>();
  joined.client.receive(async ({ bytes }) => {
    received.push(new TextDecoder().decode(bytes));
    for (const wait of waits) wait();
  });
  const until = (count: number) => expect.poll(() => received.length, { timeout: 10_000, interval: 2 }).toBe(count);
  await joined.links[0]?.up();
  return { ...joined, received, until };
}

async function known(
  engine: ReturnType<typeof createMemoryEngine>,
  client: { readonly address: Parameters<typeof engine.claimOf>[0] },
) {
  await expect.poll(() => engine.claimOf(client.address)).not.toBeNull();
}

describe('a pair that talks often', () => {
  it('writes in a session from the message after the offer on', async () => {
    const { world, engine, kinds } = startWorld();
    await using _world = world;
    await using alice = await agent(world, 'alice', { pairs: createMemoryPairs() });
    await using bob = await agent(world, 'bob', { pairs: createMemoryPairs() });
    await Promise.all([known(engine, alice.client), known(engine, bob.client)]);
    for (let number = 0; number < 3; number += 1) await alice.client.send(world.contact('bob'), encode(`${number}`));
    await bob.until(3);
    await expect.poll(() => kinds.length).toBe(4);
    await expect
      .poll(async () => {
        await (await alice.client.send(world.contact('bob'), encode('more'))).stored;
        return kinds.at(-1);
      })
      .toBe('session');
    const count = kinds.length - 1;
    await bob.until(count);
    expect(bob.received.slice(0, 3)).toEqual(['0', '1', '2']);
  });
});
