import { createSystemClock } from '@pulsemesh/base';
import { createBox } from '@pulsemesh/crypto';
import { batchOverheadBytes, sealPairHint, sizeClasses } from '@pulsemesh/identity/envelope';
import { identityOfSeed } from '@pulsemesh/identity/identity';
import { createMemoryTables } from '@pulsemesh/store';
import { concatBytes, toHex } from '@pulsemesh/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../../engines/memory/memory-engine.ts';
import {
  type AgentContact,
  createMemoryInboxState,
  createMemoryOutbox,
  createMemoryPairs,
  createTablePairs,
  type PairStore,
  type PairUseLimits,
  type RelayClientOptions,
} from '../index.ts';
import { pairFrameOverheadBytes } from './pair-frame.ts';
import { type NotedEnvelope, SealedWorld } from './sealed-world.ts';

const clock = createSystemClock({ unref: true });
const encode = (text: string) => new TextEncoder().encode(text);

type Agent = Awaited<ReturnType<typeof start>>;
let world: SealedWorld;
let engine: ReturnType<typeof createMemoryEngine>;
let noted: NotedEnvelope[];
const open = new Set<Agent>();

beforeEach(() => {
  world = new SealedWorld({ clock });
  engine = createMemoryEngine({}, world.dependencies);
  noted = world.note(engine);
  world.startRelay('relay', engine);
});
afterEach(async () => {
  for (const one of open) await one.leave();
  await world[Symbol.asyncDispose]();
});

/** What an agent has that outlives its process. */
function diskOf(pairs: PairStore | null = createMemoryPairs()) {
  return { inboxState: createMemoryInboxState(), outbox: createMemoryOutbox(), ...(pairs === null ? {} : { pairs }) };
}

/** An agent at the relay. `received` outlives it where the caller hands it in again. */
async function start(
  name: string,
  disk: Partial<RelayClientOptions<AgentContact, string>> = diskOf(),
  { received = [], pairLimits = {} }: { received?: string[]; pairLimits?: Partial<PairUseLimits> } = {},
) {
  const joined = await world.join<string>(name, ['relay'], { ...disk, pairLimits });
  joined.client.receive(async ({ bytes }) => void received.push(new TextDecoder().decode(bytes)));
  await expect.poll(() => engine.claimOf(joined.client.address)).not.toBeNull();
  const one = {
    ...joined,
    disk,
    received,
    leave: async () => {
      open.delete(one);
      await joined[Symbol.asyncDispose]();
    },
  };
  open.add(one);
  return one;
}

async function say(from: Agent, to: string, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) await (await from.client.send(world.contact(to), encode(text))).stored;
}

const until = <Value>(value: () => Value, is: Value) =>
  expect.poll(value, { timeout: 15_000, interval: 2 }).toEqual(is);
const framesNow = () => noted.map(({ kind }) => kind);
const isFrame = ({ kind }: NotedEnvelope) => kind === 'session';

/** Alice writes until she has a session to do it in; how many messages that took. */
async function talkUntilSession(alice: Agent, bob: Agent, to = 'bob'): Promise<string[]> {
  const said: string[] = [];
  while (!noted.some(isFrame)) {
    said.push(`word ${said.length}`);
    await say(alice, to, said.at(-1) ?? '');
    await until(() => bob.received.length, said.length);
    if (said.length > 100) throw new Error('no session');
  }
  return said;
}

describe('a pair that talks often', () => {
  it('writes three messages in envelopes, and in a session once the reader has offered one', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    await say(alice, 'bob', '1', '2', '3');
    // The fourth is Bob's offer.
    await until(() => framesNow().length, 4);
    expect(framesNow()).toEqual(['envelope', 'envelope', 'envelope', 'envelope']);
    await expect
      .poll(async () => {
        await say(alice, 'bob', 'on');
        return framesNow().at(-1);
      })
      .toBe('session');
    await until(() => bob.received.length, noted.length - 1);
  });

  it('gives every message once and in order, in envelopes and in the session, and answers in it', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    const said = await talkUntilSession(alice, bob);
    const more = Array.from({ length: 100 }, (_, index) => `more ${index}`);
    await Promise.all(more.map((text) => alice.client.send(world.contact('bob'), encode(text))));
    await until(() => bob.received.length, said.length + more.length);
    expect(bob.received).toEqual([...said, ...more]);
    const count = noted.length;
    await say(bob, 'alice', 'answer');
    await until(() => alice.received, ['answer']);
    expect(noted.slice(count).map(({ kind }) => kind)).toEqual(['session']);
  });

  it('goes on in the session where both begin one at once', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    const both = (text: string) => Promise.all([say(alice, 'bob', text), say(bob, 'alice', text)]);
    for (const text of ['1', '2', '3']) await both(text);
    await until(() => framesNow().length, 8);
    for (let number = 4; framesNow().slice(-2).includes('envelope'); number += 1) await both(`${number}`);
    const count = noted.length;
    for (let number = 0; number < 10; number += 1) await both(`more ${number}`);
    expect(noted.slice(count).every(isFrame)).toBe(true);
    await until(() => [alice.received.length, bob.received.length], [count / 2 + 9, count / 2 + 9]);
    expect(alice.received).toEqual(bob.received);
  });

  it('stays with envelopes where either side has nowhere to keep sessions, and says nothing the other would not understand', async () => {
    const [alice, bob, carol] = [
      await start('alice'),
      await start('bob', diskOf(null)),
      await start('carol', diskOf(null)),
    ];
    for (let number = 0; number < 8; number += 1) {
      await say(alice, 'bob', `${number}`);
      await say(carol, 'alice', `${number}`);
    }
    await until(() => [bob.received.length, alice.received.length], [8, 8]);
    expect(framesNow()).toEqual(Array.from({ length: 16 }, () => 'envelope'));
  });

  it('uses envelopes for what wants no receipts: nobody would know when it may be forgotten', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    const said = await talkUntilSession(alice, bob);
    await (await alice.client.send(world.contact('bob'), encode('quiet'), { receipts: false })).stored;
    expect(framesNow().at(-1)).toBe('envelope');
    await until(() => bob.received, [...said, 'quiet']);
  });

  it('begins anew when a contact card shows another sealing key', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    await talkUntilSession(alice, bob);
    const before = world.contact('bob');
    world.contacts.set('bob', { ...before, sealingKey: identityOfSeed(new Uint8Array(32).fill(9)).sealing.publicKey });
    await say(alice, 'bob', 'to the new key');
    expect(framesNow().at(-1)).toBe('envelope');
  });
});

describe('what a relay sees of a session', () => {
  it('is the size classes that envelopes have too, each with its own constant', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    await talkUntilSession(alice, bob);
    const count = noted.length;
    const lengths = [0, 100, 239, 1000, 5000, 40_000, 100_000];
    for (const length of lengths) await say(alice, 'bob', 'x'.repeat(length));
    const classes = sizeClasses.map((size) => size + batchOverheadBytes + pairFrameOverheadBytes);
    const seen = noted.slice(count).filter(isFrame);
    expect(seen.length).toBe(lengths.length);
    for (const { bytes } of seen) expect(classes).toContain(bytes);
  });
});

describe('after a restart', () => {
  it('with what it kept, either side goes on in the same session', async () => {
    const disks = { alice: diskOf(), bob: diskOf() };
    let [alice, bob] = [await start('alice', disks.alice), await start('bob', disks.bob)];
    const said = await talkUntilSession(alice, bob);
    const { received } = bob;
    for (let round = 0; round < 3; round += 1) {
      await alice.leave();
      alice = await start('alice', disks.alice);
      await bob.leave();
      await say(alice, 'bob', `round ${round}`);
      bob = await start('bob', disks.bob, { received });
      said.push(`round ${round}`);
      await until(() => received.length, said.length);
    }
    expect(received).toEqual(said);
    expect(framesNow().slice(-3)).toEqual(['session', 'session', 'session']);
  });

  it('without memory, the reader is sent again what waited for it, once and in order; then there is a new session', async () => {
    const alice = await start('alice');
    let bob = await start('bob');
    const said = await talkUntilSession(alice, bob);
    const { received } = bob;
    await bob.leave();
    const waiting = Array.from({ length: 20 }, (_, index) => `waiting ${index}`);
    await say(alice, 'bob', ...waiting);
    expect(noted.slice(-20).every(isFrame)).toBe(true);
    bob = await start('bob', diskOf(), { received });
    await until(() => received.length, said.length + 20);
    await say(alice, 'bob', 'after');
    await until(() => received.length, said.length + 21);
    expect(received).toEqual([...said, ...waiting, 'after']);
    noted.length = 0;
    received.length = 0;
    await talkUntilSession(alice, bob);
  });

  it('without memory, the reader is sent it in envelopes also when it keeps no sessions any more', async () => {
    const alice = await start('alice');
    const bob = await start('bob');
    const said = await talkUntilSession(alice, bob);
    await bob.leave();
    await say(alice, 'bob', 'waiting');
    await start('bob', diskOf(null), { received: bob.received });
    await until(() => bob.received, [...said, 'waiting']);
  });

  it('without memory, the writer goes on in envelopes, and what it sealed before still opens', async () => {
    let alice = await start('alice');
    const bob = await start('bob');
    const said = await talkUntilSession(alice, bob);
    await bob.leave();
    await say(alice, 'bob', 'in the session');
    await alice.leave();
    alice = await start('alice');
    await say(alice, 'bob', 'in an envelope');
    expect(framesNow().slice(-2)).toEqual(['session', 'envelope']);
    await start('bob', bob.disk, { received: bob.received });
    await until(() => bob.received.length, said.length + 2);
  });

  it('the writer sends again also when it is gone in the middle of that', async () => {
    const disk = diskOf();
    let alice = await start('alice', disk);
    let bob = await start('bob');
    const said = await talkUntilSession(alice, bob);
    const { received } = bob;
    await bob.leave();
    await say(alice, 'bob', 'one', 'two', 'three');
    await alice.leave();
    // Bob comes without memory, and says what he lost to somebody who is away.
    bob = await start('bob', diskOf(), { received });
    await until(() => framesNow().at(-1), 'envelope');
    alice = await start('alice', disk);
    await until(() => received, [...said, 'one', 'two', 'three']);
  });
});

describe('a relay that means no good', () => {
  it('that gives a batch out under another id hides no message by it', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    const said = await talkUntilSession(alice, bob);
    const append = engine.append.bind(engine);
    engine.append = (batch) =>
      append(
        batch.flatMap((one) =>
          one.envelope[0] === 2 ? [{ ...one, messageId: new Uint8Array(16).fill(9) }, one] : [one],
        ),
      ).then((results) => results.slice(-batch.length));
    await say(alice, 'bob', 'true');
    await until(() => bob.received, [...said, 'true']);
  });

  it('that spoils a batch has it sent again, in an envelope', async () => {
    const [alice, bob] = [await start('alice'), await start('bob')];
    const said = await talkUntilSession(alice, bob);
    const append = engine.append.bind(engine);
    let isSpoiling = true;
    engine.append = (batch) =>
      append(
        batch.map((one) => {
          if (!isSpoiling || one.envelope[0] !== 2) return one;
          isSpoiling = false;
          return {
            ...one,
            envelope: Uint8Array.from(one.envelope, (byte, at) => (at === one.envelope.length - 1 ? byte ^ 1 : byte)),
          };
        }),
      );
    await say(alice, 'bob', 'spoilt', 'not spoilt');
    await until(() => bob.received.length, said.length + 2);
    expect([...bob.received].sort()).toEqual([...said, 'spoilt', 'not spoilt'].sort());
  });

  it('or a stranger, makes nobody answer by a hint that was made up', async () => {
    const bob = await start('bob');
    await say(await start('alice'), 'bob', 'x');
    await until(() => bob.received.length, 1);
    const count = noted.length;
    const junk = concatBytes(Uint8Array.of(2), new Uint8Array(96).fill(3), new Uint8Array(400).fill(1));
    await (await bob.client.raw.send([bob.client.address], junk)).stored;
    await say(bob, 'bob', 'and on');
    await until(() => bob.received, ['x', 'and on']);
    expect(noted.length).toBe(count + 2);
  });
});

describe('what does not open, where its writer', () => {
  it('cannot be told because a mailbox is full, stays at the relay, and the next one is told of', async () => {
    const [alice, before] = [await start('alice'), await start('bob')];
    const said = await talkUntilSession(alice, before);
    await before.leave();
    const append = engine.append.bind(engine);
    let refusals = 0;
    engine.append = async (batch) => {
      const told = batch.find(({ inbox, kind }) => inbox === alice.client.address && kind === 'message');
      if (told === undefined || refusals > 0) return append(batch);
      refusals += 1;
      return batch.map(() => ({ kind: 'refused', code: 'mailbox-full' }));
    };
    await say(alice, 'bob', 'one');
    await start('bob', diskOf(), { received: before.received });
    await until(() => refusals, 1);
    await say(alice, 'bob', 'two');
    await until(() => before.received, [...said, 'one', 'two']);
  });

  it('is made up by a stranger, is told of a few times and then waits, within the limit for strangers', async () => {
    const bob = await start(
      'bob',
      { ...diskOf(), limits: { strangersCountMax: 2 } },
      { pairLimits: { toldPerPeerMax: 3 } },
    );
    const [alice, carol] = [await start('alice'), await start('carol')];
    const forged = () => {
      const session = toHex(world.dependencies.random.bytes(16));
      const hint = sealPairHint(
        { senderKey: world.contact('alice').publicKey, session },
        world.contact('bob'),
        world.dependencies,
      );
      return concatBytes(Uint8Array.of(2), hint, new Uint8Array(400).fill(1));
    };
    let toAlice = 0;
    const append = engine.append.bind(engine);
    engine.append = (batch) => {
      toAlice += batch.filter(({ inbox }) => inbox === alice.client.address).length;
      return append(batch);
    };
    for (let count = 0; count < 12; count += 1)
      await (await carol.client.raw.send([bob.client.address], forged(), { receipts: false })).stored;
    await say(alice, 'bob', 'and on');
    await until(() => bob.received, ['and on']);
    expect(toAlice).toBeLessThanOrEqual(4); // and a receipt
    await expect.poll(async () => (await engine.stats()).messages).toBeLessThanOrEqual(2);
  });
});

describe('the limits of pair sessions', () => {
  it('kept messages: past them envelopes are used, and all arrive', async () => {
    const disk = diskOf();
    const alice = await start('alice', disk, { pairLimits: { keptCountMax: 3 } });
    let bob = await start('bob');
    const said = await talkUntilSession(alice, bob);
    const bobs = bob.received;
    await bob.leave();
    await say(alice, 'bob', 'a', 'b', 'c', 'd', 'e');
    expect(framesNow().slice(-5)).toEqual(['session', 'session', 'session', 'envelope', 'envelope']);
    bob = await start('bob', diskOf(), { received: bobs });
    await until(() => bobs.length, said.length + 5);
    expect(new Set(bobs).size).toBe(said.length + 5);
    // Each is forgotten once it is stored again.
    await expect.poll(async () => (await disk.pairs?.rows('kept'))?.length).toBe(0);
  });

  it('batches of one session: past them envelopes are used, until there is a new one', async () => {
    const alice = await start('alice', diskOf(), { pairLimits: { writeCountMax: 2 } });
    const bob = await start('bob');
    await talkUntilSession(alice, bob);
    await say(alice, 'bob', 'second', 'third');
    expect(framesNow().slice(-2)).toEqual(['session', 'envelope']);
  });

  it('length: what is longer than a frame may be goes in an envelope', async () => {
    const alice = await start('alice', diskOf(), { pairLimits: { messageBytesMax: 100 } });
    const bob = await start('bob');
    await talkUntilSession(alice, bob);
    await say(alice, 'bob', 'x'.repeat(101), 'x'.repeat(100));
    expect(framesNow().slice(-2)).toEqual(['envelope', 'session']);
  });

  it('what is kept is forgotten once it was delivered', async () => {
    const disk = diskOf();
    const [alice, bob] = [await start('alice', disk), await start('bob')];
    await talkUntilSession(alice, bob);
    await expect.poll(async () => (await disk.pairs?.rows('kept'))?.length).toBe(0);
  });
});

describe('pair sessions on a disk', () => {
  it('are sealed: none of what was said, and no row opens under another key or in another place', async () => {
    const store = createMemoryTables();
    const boxOf = (byte: number) => createBox(new Uint8Array(32).fill(byte), world.dependencies);
    const [alice, bob] = [await start('alice', diskOf(createTablePairs(store, { box: boxOf(1) }))), await start('bob')];
    await talkUntilSession(alice, bob);
    await bob.leave();
    await say(alice, 'bob', 'a heart rate of 72');
    const tables = ['pair-session', 'pair-kept'];
    const rows = tables.flatMap((table) => [...store.range(table)]);
    expect(rows.length).toBe(2);
    for (const { value } of rows) expect(Buffer.from(value).includes('heart')).toBe(false);
    expect(await createTablePairs(store, { box: boxOf(2) }).rows('kept')).toEqual([]);
    const [kept] = [...store.range('pair-kept')];
    if (kept === undefined) throw new Error('no row');
    await store.commit([{ kind: 'put', table: 'pair-kept', key: new Uint8Array(8).fill(9), value: kept.value }]);
    expect((await createTablePairs(store, { box: boxOf(1) }).rows('kept')).length).toBe(1);
  });
});
