import { createSystemClock, silentLogger } from '@pulsemesh/base';
import { expect, it, vi } from 'vitest';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import { TestWorld } from '../testing/test-world.ts';

it('leaves the streams of a link that it shares to whoever takes them, without a warning, and keeps its mailbox', async () => {
  const warn = vi.fn();
  const logger = { ...silentLogger, warn };
  await using world = new TestWorld({ clock: createSystemClock({ unref: true }), logger });
  const engine = createMemoryEngine({}, world.dependencies);
  world.startRelay('relay', engine);
  await using shared = await world.connect('node', ['relay'], { takesStreams: false });
  await using other = await world.connect('other', ['relay']);
  const session = await shared.links[0]?.up();
  await other.links[0]?.up();
  using _network = session?.serve('peer.accept', (stream) => stream.end());
  const received: string[] = [];
  shared.client.raw.receive(async ({ envelope }) => void received.push(new TextDecoder().decode(envelope)));
  await (await other.client.raw.send([shared.client.address], new TextEncoder().encode('letter'))).stored;
  await expect.poll(() => received).toEqual(['letter']);
  expect(warn).not.toHaveBeenCalled();
});
