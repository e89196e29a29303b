import { createSystemClock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import { addressOfKey, inboxIdOf } from '../inbox-id.ts';
import { TestWorld } from '../testing/test-world.ts';
import { encodePresenceSet } from '../wire/agents.ts';
import { decodeSendResults, encodeSendBatch, type SendItem, type SendResult } from '../wire/send.ts';

const clock = createSystemClock({ unref: true });
const id16 = (byte: number) => new Uint8Array(16).fill(byte);
const item = { envelope: new Uint8Array(0), ttlSeconds: 60, priority: 'normal', receiptTo: null } as const;

describe('answers to a send stream', () => {
  it('go in several messages where one would be too long', async () => {
    await using world = new TestWorld({ clock, limits: { messagesBurstMax: 1 } });
    const engine = createMemoryEngine({}, world.dependencies);
    const append = engine.append.bind(engine);
    const stored = Promise.withResolvers<void>();
    engine.append = async (batch) => {
      const outcomes = await append(batch);
      await stored.promise;
      return outcomes;
    };
    world.startRelay('relay', engine);
    await using link = world.link('mallory', 'relay');
    const session = await link.up();
    const stream = session.open('mailbox.send');
    const own = addressOfKey(world.identity('mallory').publicKey);
    await stream.send(encodeSendBatch([{ ...item, ref: 1, to: [own], messageId: id16(1) }]));
    // Each is refused, and told after the first one's answer: all at once.
    const to = Array.from({ length: 256 }, (_, index) => inboxIdOf(id16(index)));
    const items = Array.from(
      { length: 800 },
      (_, index): SendItem => ({ ...item, ref: index, to, messageId: id16(2) }),
    );
    for (let round = 0; round < 2; round += 1) await stream.send(encodeSendBatch(items));
    stream.end();
    await session.request('presence.set', encodePresenceSet(false)); // all before it arrived
    stored.resolve();
    const results: SendResult[] = [];
    for (let message = await stream.receive(); message !== null; message = await stream.receive()) {
      results.push(...decodeSendResults(message));
    }
    expect(results).toHaveLength(1601);
    expect((await world.relay('relay')?.relay.health())?.state).toBe('serving');
  });
});
