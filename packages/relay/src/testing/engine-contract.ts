import assert from 'node:assert/strict';
import { type Clock, createSeededRandom, type Random } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { toHex } from '@pulsemesh/wire';
import type { EngineLimits, MailboxEngine, MessageToStore, StoredMessage, StoreOutcome } from '../engine.ts';
import type { InboxId } from '../inbox-id.ts';
import { runEngineModel } from './engine-model.ts';
import { fromStart, inbox, message, texts } from './engine-samples.ts';

export { inbox, message, messageIdOf, texts } from './engine-samples.ts';

/** The two functions of a test runner that a contract suite uses. */
export interface ContractRunner {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
}

/** What the suite gives to whoever opens an engine: its time, its chance and its limits must be these. */
export interface EngineUnderTestOptions {
  readonly limits: Partial<EngineLimits>;
  readonly clock: Clock;
  readonly random: Random;
}

export interface EngineUnderTest {
  readonly name: string;
  /** A new, empty engine. The suite disposes it. */
  open(options: EngineUnderTestOptions): Promise<MailboxEngine>;
  /** The store last opened, once it was disposed, with all it held; absent where nothing outlives the object. */
  reopen?(options: EngineUnderTestOptions): Promise<MailboxEngine>;
  /** A second engine over the store last opened, as in another relay; absent where a store has one owner. */
  openBeside?(options: EngineUnderTestOptions): Promise<MailboxEngine>;
  /** Runs of the random model; default 20. */
  readonly modelRuns?: number;
}

const dayMs = 86_400_000;

const kinds = (outcomes: readonly StoreOutcome[]) =>
  outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.code : outcome.isNew ? 'new' : 'known'));

/** What every {@link MailboxEngine} does. */
export function runEngineContract(runner: ContractRunner, subject: EngineUnderTest): void {
  runner.describe(`${subject.name}: the contract of a MailboxEngine`, () => {
    defineStoring(runner, subject);
    defineReading(runner, subject);
    defineQuotas(runner, subject);
    defineClaims(runner, subject);
    defineRestart(runner, subject);
    for (let seed = 1; seed <= (subject.modelRuns ?? 20); seed += 1) {
      runner.it(`does what the model does, seed ${seed}`, () => runEngineModel(subject, seed));
    }
  });
}

/** A new engine with inboxes 1 and 2 claimed by owners 0x101 and 0x102 for 30 days. */
async function open(subject: EngineUnderTest, limits: Partial<EngineLimits> = {}) {
  const clock = new VirtualClock();
  const options = { limits, clock, random: createSeededRandom(7) };
  const engine = await subject.open(options);
  await claim(engine, clock, 1, 0x101);
  await claim(engine, clock, 2, 0x102);
  return { engine, clock, options, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
}

async function claim(engine: MailboxEngine, clock: Clock, of: number, owner: number, forMs = 30 * dayMs) {
  const untilMs = clock.now() + forMs;
  return (await engine.claim([{ inbox: inbox(of), owner: inbox(owner), untilMs, takesStreams: false }]))[0];
}

async function readOne(engine: MailboxEngine): Promise<StoredMessage> {
  const { messages } = await engine.read({ inbox: inbox(1), after: fromStart, countMax: 1, bytesMax: 1 });
  return messages[0] as StoredMessage;
}

async function ackAll(engine: MailboxEngine, of: InboxId): Promise<number> {
  const { epoch, messages } = await engine.read({ inbox: of, after: fromStart, countMax: 10_000, bytesMax: 2 ** 30 });
  return engine.ack([{ inbox: of, epoch: epoch ?? '', messages }]);
}

function defineStoring({ it }: ContractRunner, subject: EngineUnderTest): void {
  it('stores messages and gives them back as they were', async () => {
    await using opened = await open(subject);
    const given = message('hello', { receiptTo: inbox(9), kind: 'receipt' });
    assert.deepEqual(kinds(await opened.engine.append([given])), ['new']);
    const found = await readOne(opened.engine);
    assert.deepEqual(toHex(found.messageId), toHex(given.messageId));
    assert.equal(new TextDecoder().decode(found.envelope), 'hello');
    assert.deepEqual([found.kind, found.receiptTo, found.offset], ['receipt', inbox(9), 1]);
    assert.equal(found.storedMs, opened.clock.now());
  });

  it('stores one message id once in a mailbox, and in each mailbox, also when it comes twice in a batch', async () => {
    await using opened = await open(subject);
    const given = message('x');
    const other = { ...given, inbox: inbox(2) };
    assert.deepEqual(kinds(await opened.engine.append([given, given, other])), ['new', 'known', 'new']);
    assert.deepEqual(kinds(await opened.engine.append([given])), ['known']);
    assert.deepEqual(await texts(opened.engine), ['x']);
    assert.deepEqual(await texts(opened.engine, inbox(2)), ['x']);
  });

  it('stores one message id once when batches that hold it are handed over at the same time', async () => {
    await using opened = await open(subject);
    const given = message('x');
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => opened.engine.append([given, message('y')])));
    assert.deepEqual(outcomes.map((each) => kinds(each)[0]).sort(), ['known', 'known', 'known', 'known', 'new']);
    assert.equal((await texts(opened.engine)).filter((text) => text === 'x').length, 1);
  });

  it('remembers the id of a message that was acknowledged', async () => {
    await using opened = await open(subject);
    const given = message('x');
    await opened.engine.append([given]);
    assert.equal(await ackAll(opened.engine, inbox(1)), 1);
    await opened.clock.advance(dayMs);
    assert.deepEqual(kinds(await opened.engine.append([given])), ['known']);
    assert.deepEqual(await texts(opened.engine), []);
  });

  it('remembers as many ids as it says', async () => {
    await using opened = await open(subject, { dedupCountMin: 10 });
    const given = Array.from({ length: 25 }, (_, index) => message(`${index}`));
    for (const each of given) await opened.engine.append([each]);
    assert.deepEqual(kinds(await opened.engine.append(given.slice(-10))), Array(10).fill('known'));
  });

  it('keeps the order of batches handed over one after the other without waiting', async () => {
    await using opened = await open(subject);
    const batches = Array.from({ length: 40 }, (_, batch) => [message(`${batch}a`), message(`${batch}b`)]);
    await Promise.all(batches.map((batch) => opened.engine.append(batch)));
    assert.deepEqual(
      await texts(opened.engine),
      batches.flatMap((_, batch) => [`${batch}a`, `${batch}b`]),
    );
  });

  it('refuses an envelope that is too long, and an inbox that nobody claims, and stores the rest', async () => {
    await using opened = await open(subject, { envelopeBytesMax: 3 });
    const batch = [message('abc'), message('abcd'), message('x', { inbox: inbox(77) }), message('def')];
    assert.deepEqual(kinds(await opened.engine.append(batch)), ['new', 'too-large', 'no-such-inbox', 'new']);
    assert.deepEqual(await texts(opened.engine), ['abc', 'def']);
  });
}

function defineReading({ it }: ContractRunner, subject: EngineUnderTest): void {
  it('gives urgent messages first, each priority in order, from the cursor on', async () => {
    await using opened = await open(subject);
    const urgent = { priority: 'urgent' } as const;
    await opened.engine.append([message('a'), message('B', urgent), message('c'), message('D', urgent)]);
    assert.deepEqual(await texts(opened.engine), ['B', 'D', 'a', 'c']);
    assert.deepEqual(await texts(opened.engine, inbox(1), { urgent: 2, normal: 1 }), ['D', 'c']);
    assert.deepEqual(await texts(opened.engine, inbox(1), { urgent: 4, normal: 3 }), []);
    await opened.engine.append([message('e')]);
    assert.deepEqual(await texts(opened.engine, inbox(1), { urgent: 4, normal: 3 }), ['e']);
  });

  it('gives no more than is asked for, but at least one', async () => {
    await using opened = await open(subject);
    await opened.engine.append([message('aaaa'), message('bb'), message('cc')]);
    const read = async (countMax: number, bytesMax: number) =>
      (await opened.engine.read({ inbox: inbox(1), after: fromStart, countMax, bytesMax })).messages.length;
    assert.equal(await read(2, 1000), 2);
    assert.equal(await read(10, 6), 2);
    assert.equal(await read(10, 1), 1);
  });

  it('removes what is acknowledged, once, and ignores the acks of another epoch', async () => {
    await using opened = await open(subject);
    await opened.engine.append([message('a'), message('b'), message('c')]);
    const epoch = (await opened.engine.position(inbox(1)))?.epoch ?? '';
    const second = [{ offset: 2, priority: 'normal' }] as const;
    const wrong = [{ inbox: inbox(1), epoch: '0000000000000000', messages: second }];
    assert.equal(await opened.engine.ack(wrong), 0);
    assert.equal(await opened.engine.ack([{ inbox: inbox(55), epoch, messages: second }]), 0);
    const right = [{ inbox: inbox(1), epoch, messages: second }];
    const both = await Promise.all([opened.engine.ack(right), opened.engine.ack(right)]);
    assert.equal(both[0] + both[1], 1);
    assert.equal(await opened.engine.ack(right), 0);
    assert.deepEqual(await texts(opened.engine), ['a', 'c']);
    assert.equal((await opened.engine.stats()).messages, 2);
  });

  it('says where a mailbox stands; each has an epoch of its own; acks do not move it back', async () => {
    await using opened = await open(subject);
    await opened.engine.append([message('a'), message('b')]);
    await ackAll(opened.engine, inbox(1));
    const one = await opened.engine.position(inbox(1));
    const two = await opened.engine.position(inbox(2));
    assert.match(one?.epoch ?? '', /^[0-9a-f]{16}$/);
    assert.notEqual(one?.epoch, two?.epoch);
    assert.deepEqual([one?.lastOffset, two?.lastOffset], [2, 0]);
    assert.equal(await opened.engine.position(inbox(3)), null);
    assert.deepEqual(await opened.engine.read({ inbox: inbox(3), after: fromStart, countMax: 1, bytesMax: 1 }), {
      epoch: null,
      messages: [],
    });
  });

  it('wakes who watches once the message can be read, until the watch is disposed', async () => {
    await using opened = await open(subject);
    const arrived = Promise.withResolvers<string[]>();
    let wakes = 0;
    const watch = opened.engine.watch(inbox(1), () => {
      wakes += 1;
      void texts(opened.engine).then(arrived.resolve);
    });
    await opened.engine.append([message('other', { inbox: inbox(2) })]);
    await opened.engine.append([message('mine')]);
    assert.deepEqual(await arrived.promise, ['mine']);
    watch[Symbol.dispose]();
    const before = wakes;
    await opened.engine.append([message('later')]);
    assert.equal(wakes, before);
  });

  it('does not give what has expired', async () => {
    await using opened = await open(subject, { ttlMsMax: 5000, dedupMs: 5000 });
    await opened.engine.append([message('short', { ttlMs: 1000 }), message('capped', { ttlMs: dayMs })]);
    await opened.clock.advance(999);
    assert.deepEqual(await texts(opened.engine), ['short', 'capped']);
    await opened.clock.advance(1);
    assert.deepEqual(await texts(opened.engine), ['capped']);
    await opened.clock.advance(4000);
    assert.deepEqual(await texts(opened.engine), []);
  });
}

function defineQuotas({ it }: ContractRunner, subject: EngineUnderTest): void {
  it('refuses past the count of a mailbox, takes more after an ack, and leaves other mailboxes alone', async () => {
    await using opened = await open(subject, { mailboxCountMax: 2 });
    const { engine } = opened;
    const batch = [message('a'), message('b'), message('c'), message('d', { inbox: inbox(2) })];
    assert.deepEqual(kinds(await engine.append(batch)), ['new', 'new', 'mailbox-full', 'new']);
    assert.deepEqual(kinds(await engine.append([message('e')])), ['mailbox-full']);
    await ackAll(engine, inbox(1));
    assert.deepEqual(kinds(await engine.append([batch[2] as MessageToStore])), ['new']);
  });

  it('refuses past the bytes of a mailbox', async () => {
    await using opened = await open(subject, { mailboxBytesMax: 10 });
    const batch = [message('123456'), message('123456'), message('1234'), message('1')];
    assert.deepEqual(kinds(await opened.engine.append(batch)), ['new', 'mailbox-full', 'new', 'mailbox-full']);
  });

  it('refuses past the count and the bytes of a sender over all mailboxes, and not another sender', async () => {
    await using opened = await open(subject, { senderCountMax: 3, senderBytesMax: 10 });
    const { engine } = opened;
    const two = { inbox: inbox(2) };
    const batch = [message('1234'), message('1234', two), message('1234'), message('1'), message('1', two)];
    assert.deepEqual(kinds(await engine.append(batch)), ['new', 'new', 'sender-full', 'new', 'sender-full']);
    assert.deepEqual(kinds(await engine.append([message('x', { sender: inbox(0xb) })])), ['new']);
    assert.equal(await ackAll(engine, inbox(2)), 1);
    assert.deepEqual(kinds(await engine.append([message('1234', two)])), ['new']);
  });

  it('leaves to others the rest of a mailbox of which one sender has its share, in one batch or in several', async () => {
    await using opened = await open(subject, { mailboxSenderCountMax: 2, mailboxSenderBytesMax: 12 });
    const { engine } = opened;
    const b = { sender: inbox(0xb) };
    const batch = [message('1'), message('12', b), message('3'), message('4'), message('5', { inbox: inbox(2) })];
    assert.deepEqual(kinds(await engine.append(batch)), ['new', 'new', 'new', 'sender-full', 'new']);
    const more = [message('4'), message('12345678901', b), message('1234567890', b), message('7', b)];
    assert.deepEqual(kinds(await engine.append(more)), ['sender-full', 'sender-full', 'new', 'sender-full']);
    await ackAll(engine, inbox(1));
    assert.deepEqual(kinds(await engine.append(more)), ['new', 'new', 'known', 'new']);
  });

  it('makes room by expiry, at latest after a sweep', async () => {
    await using opened = await open(subject, { mailboxCountMax: 1, senderCountMax: 1 });
    const { engine, clock } = opened;
    await engine.append([message('old', { ttlMs: 1000 })]);
    await clock.advance(2000);
    for (let round = 0; round < 5; round += 1) await engine.sweep();
    assert.equal((await engine.stats()).messages, 0);
    assert.deepEqual(kinds(await engine.append([message('new')])), ['new']);
    assert.deepEqual(await texts(engine), ['new']);
  });

  it('counts what it holds', async () => {
    await using opened = await open(subject);
    await opened.engine.append([message('abc'), message('de', { inbox: inbox(2) })]);
    assert.deepEqual(await opened.engine.stats(), { mailboxes: 2, messages: 2, bytes: 5 });
    await ackAll(opened.engine, inbox(1));
    assert.deepEqual(await opened.engine.stats(), { mailboxes: 2, messages: 1, bytes: 2 });
  });
}

function defineClaims({ it }: ContractRunner, subject: EngineUnderTest): void {
  it('gives an inbox to one owner until the claim runs out, and prolongs it for that owner', async () => {
    await using opened = await open(subject);
    const { engine, clock } = opened;
    assert.equal(await claim(engine, clock, 5, 0x105, 1000), 'claimed');
    const epoch = (await engine.position(inbox(5)))?.epoch;
    assert.equal(await claim(engine, clock, 5, 0x106), 'taken');
    assert.equal((await engine.claimOf(inbox(5)))?.owner, inbox(0x105));
    assert.equal(await claim(engine, clock, 5, 0x105, 2000), 'claimed');
    assert.equal((await engine.position(inbox(5)))?.epoch, epoch);
    await clock.advance(1999);
    assert.deepEqual(kinds(await engine.append([message('x', { inbox: inbox(5) })])), ['new']);
    await clock.advance(1);
    assert.equal(await engine.claimOf(inbox(5)), null);
    assert.deepEqual(kinds(await engine.append([message('y', { inbox: inbox(5) })])), ['no-such-inbox']);
    assert.deepEqual(await texts(engine, inbox(5)), ['x'], 'what was stored can still be read');
    assert.equal(await claim(engine, clock, 5, 0x106), 'claimed');
    assert.deepEqual(await texts(engine, inbox(5)), [], 'and never by the next owner');
    assert.notEqual((await engine.position(inbox(5)))?.epoch, epoch);
  });

  it('says the whole claim, takes the newest wish about streams, and refuses one claim too many', async () => {
    await using opened = await open(subject, { claimsPerOwnerMax: 2 });
    const { engine, clock } = opened;
    const untilMs = clock.now() + 1000;
    const claims = [6, 7, 8].map((of) => ({ inbox: inbox(of), owner: inbox(0x200), untilMs, takesStreams: of === 7 }));
    assert.deepEqual(await engine.claim(claims), ['claimed', 'claimed', 'too-many']);
    assert.deepEqual(await engine.claimOf(inbox(7)), claims[1]);
    assert.equal(await engine.claimOf(inbox(8)), null);
    const changed = { ...claims[0], takesStreams: true } as (typeof claims)[number];
    assert.deepEqual(await engine.claim([changed]), ['claimed']);
    assert.deepEqual(await engine.claimOf(inbox(6)), changed);
  });

  it('drops a mailbox that its owner releases, with its messages and its place among the claims', async () => {
    await using opened = await open(subject, { claimsPerOwnerMax: 1 });
    const { engine, clock } = opened;
    await engine.append([message('x')]);
    assert.equal(await engine.release(inbox(1), inbox(0x102)), false);
    assert.equal(await engine.release(inbox(1), inbox(0x101)), true);
    assert.equal(await engine.release(inbox(1), inbox(0x101)), false);
    assert.deepEqual(kinds(await engine.append([message('y')])), ['no-such-inbox']);
    assert.deepEqual(await engine.stats(), { mailboxes: 1, messages: 0, bytes: 0 });
    assert.equal(await claim(engine, clock, 9, 0x101), 'claimed');
  });

  it('forgets an empty mailbox whose claim ran out, at a sweep', async () => {
    await using opened = await open(subject);
    const { engine, clock } = opened;
    await engine.append([message('x', { ttlMs: 40 * dayMs })]);
    await clock.advance(30 * dayMs + 1);
    for (let round = 0; round < 5; round += 1) await engine.sweep();
    assert.equal(await engine.position(inbox(2)), null);
    assert.equal((await engine.stats()).messages, 0, 'the time to live is capped');
  });
}

function defineRestart({ it }: ContractRunner, subject: EngineUnderTest): void {
  const { reopen, openBeside } = subject;
  if (reopen !== undefined) {
    it('has after a restart all it had: messages, epochs, ids, counts, claims', async () => {
      const first = await open(subject, { mailboxCountMax: 3, senderCountMax: 4 });
      const given = [message('a'), message('b', { priority: 'urgent' }), message('c')];
      await first.engine.append([...given, message('d', { inbox: inbox(2) })]);
      const epoch = (await first.engine.position(inbox(1)))?.epoch ?? '';
      await first.engine.ack([{ inbox: inbox(1), epoch, messages: [{ offset: 1, priority: 'normal' }] }]);
      await first[Symbol.asyncDispose]();
      await using engine = await reopen(first.options);
      assert.deepEqual(await texts(engine), ['b', 'c']);
      assert.deepEqual(await engine.position(inbox(1)), { epoch, lastOffset: 3 });
      assert.deepEqual(kinds(await engine.append([given[0] as MessageToStore])), ['known']);
      assert.deepEqual(await engine.stats(), { mailboxes: 2, messages: 3, bytes: 3 });
      assert.equal((await engine.claimOf(inbox(2)))?.owner, inbox(0x102));
      const more = [message('e'), message('f'), message('g', { inbox: inbox(2) })];
      assert.deepEqual(kinds(await engine.append(more)), ['new', 'mailbox-full', 'sender-full']);
    });
  }
  if (openBeside !== undefined) {
    it('shows a relay what another one stored, wakes it, and keeps ids and offsets unique between them', async () => {
      await using opened = await open(subject);
      await using beside = await openBeside(opened.options);
      const woken = Promise.withResolvers<void>();
      using _watch = beside.watch(inbox(1), woken.resolve);
      const given = Array.from({ length: 30 }, (_, index) => message(`${index}`));
      const outcomes = await Promise.all(
        given.flatMap((each) => [opened.engine.append([each]), beside.append([each, message('other')])]),
      );
      await woken.promise;
      const all = outcomes.flat();
      assert.equal(all.filter((outcome) => outcome.kind === 'stored' && outcome.isNew).length, 60);
      const { messages } = await beside.read({ inbox: inbox(1), after: fromStart, countMax: 100, bytesMax: 2 ** 20 });
      assert.equal(new Set(messages.map(({ offset }) => offset)).size, 60);
      assert.equal(await ackAll(beside, inbox(1)), 60);
      assert.deepEqual(await texts(opened.engine), []);
    });
  }
}
