import { createSystemClock } from '@pulsemesh/base';
import { toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import { createMemoryInboxState, createMemoryOutbox, type RelayClientLimits, type StrangersMessage } from './index.ts';
import { SealedWorld } from './pairs/sealed-world.ts';

const clock = createSystemClock({ unref: true });
const encode = (text: string) => new TextEncoder().encode(text);

/** Alice is there; Bob does not know her yet. */
async function startWorld(limits: Partial<RelayClientLimits> = {}) {
  const world = new SealedWorld({ clock });
  const engine = createMemoryEngine({}, world.dependencies);
  world.startRelay('relay', engine);
  const [alice, carol] = [world.contact('alice'), world.contact('carol')];
  const toBob = world.contact('bob');
  for (const name of ['alice', 'carol']) world.contacts.delete(name);
  const inboxState = createMemoryInboxState();
  const received: string[] = [];
  const told: StrangersMessage[] = [];
  const startBob = async (fate: 'keep' | 'drop' = 'keep') => {
    const bob = await world.join<string>('bob', ['relay'], { inboxState, outbox: createMemoryOutbox(), limits });
    bob.client.onStranger((message) => {
      told.push(message);
      return fate;
    });
    bob.client.receive(async ({ bytes }) => void received.push(new TextDecoder().decode(bytes)));
    await expect.poll(() => engine.claimOf(bob.client.address)).not.toBeNull();
    return bob;
  };
  const write = async (name: string, ...texts: string[]) => {
    await using writer = await world.join(name, ['relay']);
    for (const text of texts) await (await writer.client.send(toBob, encode(text))).stored;
  };
  return { world, engine, alice, carol, received, told, startBob, write };
}

describe('a message of somebody who is not among the contacts', () => {
  it('is told with the key that sealed it, and comes with the next session once its sender is known', async () => {
    const { world, alice, received, told, startBob, write } = await startWorld();
    await using _world = world;
    {
      await using _bob = await startBob();
      await write('alice', 'hello', 'hello?');
      await expect.poll(() => told.length).toBe(2);
      expect(told.map(({ publicKey }) => toHex(publicKey))).toEqual(Array(2).fill(toHex(alice.publicKey)));
    }
    expect(received).toEqual([]);
    world.contacts.set('alice', alice);
    await using _bob = await startBob();
    await expect.poll(() => received).toEqual(['hello', 'hello?']);
  });

  it('comes before the next thing its sender writes, where the sender became known meanwhile', async () => {
    const { world, alice, received, told, startBob, write } = await startWorld();
    await using _world = world;
    await using _bob = await startBob();
    await write('alice', 'one', 'two');
    await write('carol', 'not from alice');
    await expect.poll(() => told.length).toBe(3);
    world.contacts.set('alice', alice);
    await write('alice', 'three');
    await expect.poll(() => received).toEqual(['one', 'two', 'three']);
  });

  it('is dropped where the handler says so, or where nobody asks', async () => {
    const { world, engine, told, startBob, write } = await startWorld();
    await using _world = world;
    await using _bob = await startBob('drop');
    await write('alice', 'hello');
    await expect.poll(() => told.length).toBe(1);
    await expect.poll(async () => (await engine.stats()).messages).toBeLessThanOrEqual(1); // the receipt to Alice
  });

  it.each([
    ['in number', { strangersCountMax: 2 }],
    ['in bytes', { strangersBytesMax: 1400 }],
  ] as const)('is dropped past the limit %s, and that is said; others are read on', async (_what, limits) => {
    const { world, alice, carol, received, told, startBob, write } = await startWorld(limits);
    await using _world = world;
    {
      await using _bob = await startBob();
      await write('alice', '1', '2', '3', '4');
      await expect.poll(() => told.map(({ canBeKept }) => canBeKept)).toEqual([true, true, false, false]);
      world.contacts.set('carol', carol);
      await write('carol', 'and on');
      await expect.poll(() => received).toEqual(['and on']);
    }
    world.contacts.set('alice', alice);
    await using _bob = await startBob();
    await expect.poll(() => received).toEqual(['and on', '1', '2']);
  });

  it('leaves room for those of others', async () => {
    const { world, received, told, carol, startBob, write } = await startWorld({ strangersPerSenderMax: 1 });
    await using _world = world;
    {
      await using _bob = await startBob();
      await write('alice', 'a', 'b');
      await write('carol', 'c');
      await expect.poll(() => told.map(({ canBeKept }) => canBeKept)).toEqual([true, false, true]);
    }
    world.contacts.set('carol', carol);
    await using _bob = await startBob();
    await expect.poll(() => received).toEqual(['c']);
  });
});
