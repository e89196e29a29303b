import { createSystemClock } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import { inboxIdOf } from '../inbox-id.ts';
import { TestWorld } from '../testing/test-world.ts';
import { decodeSendResults, encodeSendBatch, type SendItem, type SendResult } from '../wire/send.ts';

const clock = createSystemClock({ unref: true });
const id16 = (byte: number) => new Uint8Array(16).fill(byte);
const item = { envelope: new Uint8Array(0), ttlSeconds: 60, priority: 'normal', receiptTo: null } as const;

describe('answers to a send stream', () => {
  it('go in several messages where one would be longer than a message may be', async () => {
    await using world = new TestWorld({ clock, limits: { messagesBurstMax: 1_000_000 } });
    world.startRelay('relay', createMemoryEngine({}, world.dependencies));
    await using link = world.link('mallory', 'relay');
    const session = await link.up();
    const stream = session.open('mailbox.send');
    // Refusing a recipient takes more bytes than naming it.
    const to = Array.from({ length: 256 }, (_, index) => inboxIdOf(id16(index)));
    const items = Array.from(
      { length: 900 },
      (_, index): SendItem => ({ ...item, ref: index, to, messageId: id16(2) }),
    );
    await stream.send(encodeSendBatch(items));
    stream.end();
    const results: SendResult[] = [];
    for (let message = await stream.receive(); message !== null; message = await stream.receive()) {
      results.push(...decodeSendResults(message));
    }
    expect(results.map(({ ref }) => ref)).toEqual(items.map(({ ref }) => ref));
    expect(new Set(results.flatMap(({ refused }) => refused.map(({ code }) => code)))).toEqual(
      new Set(['no-such-inbox']),
    );
  });
});
