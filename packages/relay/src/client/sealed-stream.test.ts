import { createSeededRandom, createSystemClock } from '@pulsemesh/base';
import type { LinkStream } from '@pulsemesh/link';
import { concatBytes } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../engines/memory/memory-engine.ts';
import type { InboxId } from '../inbox-id.ts';
import { TestWorld } from '../testing/test-world.ts';
import { connectRelay, createMemoryInboxState } from './index.ts';
import { createCallsSeen, SealedStream } from './sealed-stream.ts';
import type { Sealer } from './types.ts';

/** Says by whom it is in clear: enough to tell who is believed. The contact is the address. */
function sealerOf(self: InboxId): Sealer<InboxId> {
  const ascii = new TextEncoder();
  return {
    inboxOf: (contact) => contact,
    addressOf: (contact) => contact,
    seal: (_to, bytes, messageId) => concatBytes(ascii.encode(self), messageId, bytes),
    open: (envelope) => ({
      from: new TextDecoder().decode(envelope.subarray(0, 32)) as InboxId, // what `seal` put there
      messageId: envelope.subarray(32, 48),
      bytes: envelope.subarray(48),
    }),
  };
}

const name = (digit: string) => digit.repeat(32) as InboxId; // a contact of this test
const [alice, bob, carol] = [name('a'), name('b'), name('c')];

/** One direction after the other, in the hands of whoever passes messages on. */
function wire() {
  const sent: Uint8Array[] = [];
  const toRead: Uint8Array[] = [];
  const aborted: string[] = [];
  const stream = {
    send: async (message: Uint8Array) => void sent.push(message),
    receive: async () => toRead.shift() ?? null,
    end: () => {},
    abort: ({ code }: { code: string }) => void aborted.push(code),
  } as unknown as LinkStream; // all that a sealed stream uses
  return { stream, sent, toRead, aborted };
}

const random = createSeededRandom(1);
const bytes = (number: number) => Uint8Array.of(number);

function callOf(service = 'echo') {
  const there = wire();
  const caller = SealedStream.calling({ stream: there.stream, sealer: sealerOf(alice), name: service }, bob, random);
  return { there, caller };
}

function calledOf(messages: readonly Uint8Array[], seen = createCallsSeen()) {
  const here = wire();
  here.toRead.push(...messages);
  return { here, called: SealedStream.called({ stream: here.stream, sealer: sealerOf(bob), name: 'echo' }, seen) };
}

describe('a sealed stream', () => {
  it('carries messages both ways, in order, also when several are sent at once', async () => {
    const { there, caller } = callOf();
    await Promise.all([1, 2, 3].map((number) => caller.send(bytes(number))));
    const { here, called } = calledOf(there.sent);
    for (const number of [1, 2, 3]) expect(await called.receive()).toEqual(bytes(number));
    expect(called.peer).toBe(alice);
    await called.send(bytes(4));
    there.toRead.push(...here.sent);
    expect(await caller.receive()).toEqual(bytes(4));
    expect(await caller.receive()).toBeNull();
  });

  it('hears nobody but the agent that was called', async () => {
    const { there, caller } = callOf();
    await caller.send(bytes(1));
    const { here, called } = calledOf(there.sent);
    await called.receive();
    await called.send(bytes(2));
    const [answer = bytes(0)] = here.sent;
    there.toRead.push(concatBytes(new TextEncoder().encode(carol), answer.subarray(32)));
    await expect(caller.receive()).rejects.toMatchObject({ code: 'not-of-this-call' });
    expect(there.aborted).toEqual(['not-of-this-call']);
  });

  it.each([
    ['left out', (sent: Uint8Array[]) => [sent[0], sent[2]]],
    ['swapped', (sent: Uint8Array[]) => [sent[0], sent[2], sent[1]]],
    ['repeated', (sent: Uint8Array[]) => [sent[0], sent[0]]],
  ])('notices messages that are %s', async (_what, change) => {
    const { there, caller } = callOf();
    for (const number of [1, 2, 3]) await caller.send(bytes(number));
    const { called } = calledOf(change(there.sent) as Uint8Array[]); // of the three that are there
    await called.receive();
    await expect(called.receive()).rejects.toMatchObject({ code: 'not-of-this-call' });
  });

  it('takes no call that came before, that was meant for another service, or that was a message of a mailbox', async () => {
    const { there, caller } = callOf();
    await caller.send(bytes(1));
    const seen = createCallsSeen();
    expect(await calledOf(there.sent, seen).called.receive()).toEqual(bytes(1));
    const elsewhere = callOf('erase');
    await elsewhere.caller.send(bytes(1));
    const letter = await sealerOf(alice).seal(bob, bytes(1), random.bytes(16));
    for (const played of [there.sent, elsewhere.there.sent, [letter]]) {
      await expect(calledOf(played, seen).called.receive()).rejects.toMatchObject({ code: 'not-of-this-call' });
    }
  });

  it('remembers so many calls', () => {
    const seen = createCallsSeen(2);
    expect(['a', 'b', 'a', 'c', 'a'].map((call) => seen.add(call))).toEqual([true, true, false, true, true]);
  });
});

describe('a sealed request', () => {
  it('takes only the answer of the agent it asked, to the question it asked', async () => {
    await using world = new TestWorld({ clock: createSystemClock({ unref: true }) });
    world.startRelay('relay', createMemoryEngine({}, world.dependencies));
    await using link = world.link('alice', 'relay');
    await using peer = await world.connect('bob', ['relay']);
    await Promise.all([link.up(), peer.links[0]?.up()]);
    const to = peer.client.address;
    const inboxState = createMemoryInboxState();
    await using client = await connectRelay(
      { relays: [{ name: 'relay', link }], identity: world.identity('alice'), sealer: sealerOf(alice), inboxState },
      world.dependencies,
    );
    // Bob's end answers as a relay could that holds a real answer of his, and plays others.
    const answers: Uint8Array[] = [];
    const kept: Uint8Array[] = [];
    peer.client.raw.serve('echo', async (stream) => {
      const here = wire();
      here.toRead.push((await stream.receive()) ?? bytes(0));
      const sealer = sealerOf(to);
      const called = SealedStream.called({ stream: here.stream, sealer, name: 'echo' }, createCallsSeen());
      await called.send((await called.receive()) ?? bytes(0));
      kept.push(...here.sent);
      await stream.send(answers.shift() ?? (here.sent[0] as Uint8Array)); // the one just sent
      stream.end();
    });
    expect(await client.request(to, 'echo', bytes(7))).toEqual(bytes(7));
    answers.push(kept[0] as Uint8Array); // from the first request
    await expect(client.request(to, 'echo', bytes(8))).rejects.toMatchObject({ code: 'not-of-this-call' });
  });
});
