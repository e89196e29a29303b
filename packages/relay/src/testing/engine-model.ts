import assert from 'node:assert/strict';
import { createSeededRandom, type Random } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { toHex } from '@pulsemesh/wire';
import type { EngineLimits, MailboxEngine, MessageToStore, ReadCursor, StoreOutcome } from '../engine.ts';
import { type InboxId, parseInboxId } from '../inbox-id.ts';
import type { EngineUnderTest } from './engine-contract.ts';

interface ModelMessage {
  readonly given: MessageToStore;
  readonly offset: number;
  readonly expiresMs: number;
}

interface ModelMailbox {
  owner: InboxId;
  untilMs: number;
  epoch: string | null;
  lastOffset: number;
  messages: ModelMessage[];
  readonly ids: Set<string>;
}

const limits: Partial<EngineLimits> = {
  mailboxCountMax: 6,
  mailboxBytesMax: 60,
  mailboxSenderCountMax: 4,
  mailboxSenderBytesMax: 45,
  senderCountMax: 9,
  senderBytesMax: 100,
  envelopeBytesMax: 20,
  claimsPerOwnerMax: 2,
};
const stepCount = 60;
const inboxes = [1, 2, 3].map(idOf);
const parties = [0x11, 0x12].map(idOf);

function idOf(number: number): InboxId {
  return parseInboxId(number.toString(16).padStart(32, '0'));
}

/**
 * Sixty random steps on an engine and on the simplest thing that could be one; what both say must be the same. Time moves by less
 * than a claim or a time to live, except where nothing depends on when exactly expired messages are removed.
 */
export async function runEngineModel(subject: EngineUnderTest, seed: number): Promise<void> {
  const random = createSeededRandom(seed);
  const clock = new VirtualClock();
  const options = { limits, clock, random: createSeededRandom(seed + 1000) };
  let engine = await subject.open(options);
  const model = new Map<InboxId, ModelMailbox>();
  try {
    for (let step = 0; step < stepCount; step += 1) {
      const choice = random.integer(20);
      if (choice < 9) await appendStep(engine, model, random, clock);
      else if (choice < 12) await ackStep(engine, model, random);
      else if (choice < 15) await claimStep(engine, model, random, clock);
      else if (choice < 18) await readStep(engine, model, random, clock);
      else if (choice < 19) await clock.advance(random.integer(1000));
      else if (subject.reopen !== undefined) {
        await engine[Symbol.asyncDispose]();
        engine = await subject.reopen(options);
      }
    }
    await totalsStep(engine, model);
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

async function appendStep(
  engine: MailboxEngine,
  model: Map<InboxId, ModelMailbox>,
  random: Random,
  clock: VirtualClock,
): Promise<void> {
  const batch = Array.from({ length: 1 + random.integer(5) }, () => randomMessage(random));
  const expected = batch.map((given) => modelAppend(model, given, clock.now()));
  const outcomes = await engine.append(batch);
  for (const [index, outcome] of outcomes.entries()) {
    const wanted = expected[index];
    // An engine may have forgotten the offset of a message that is known; one that is gone has any.
    const isFree = outcome.kind === 'stored' && wanted?.kind === 'stored' && !outcome.isNew;
    if (isFree && (outcome.offset === null || wanted.offset === null)) assert.equal(wanted.isNew, false);
    else assert.deepEqual(outcome, wanted);
  }
  assert.equal(outcomes.length, expected.length);
}

function randomMessage(random: Random): MessageToStore {
  const messageId = new Uint8Array(16);
  messageId[0] = random.integer(60);
  return {
    inbox: pick(random, inboxes),
    messageId,
    sender: pick(random, parties),
    kind: random.integer(2) === 0 ? 'message' : 'receipt',
    envelope: random.bytes(random.integer(22)),
    priority: random.integer(3) === 0 ? 'urgent' : 'normal',
    ttlMs: 3_600_000,
    receiptTo: random.integer(2) === 0 ? null : pick(random, parties),
  };
}

function modelAppend(model: Map<InboxId, ModelMailbox>, given: MessageToStore, nowMs: number): StoreOutcome {
  const mailbox = model.get(given.inbox);
  if (mailbox === undefined || mailbox.untilMs <= nowMs) return { kind: 'refused', code: 'no-such-inbox' };
  const bytes = given.envelope.length;
  if (bytes > 20) return { kind: 'refused', code: 'too-large' };
  const id = toHex(given.messageId);
  if (mailbox.ids.has(id)) {
    const offset = mailbox.messages.find((each) => toHex(each.given.messageId) === id)?.offset;
    return { kind: 'stored', offset: offset ?? null, isNew: false };
  }
  if (mailbox.messages.length >= 6 || sum(mailbox.messages) + bytes > 60) {
    return { kind: 'refused', code: 'mailbox-full' };
  }
  const all = [...model.values()].flatMap(({ messages }) => messages);
  const ofSender = all.filter((each) => each.given.sender === given.sender);
  if (ofSender.length >= 9 || sum(ofSender) + bytes > 100) return { kind: 'refused', code: 'sender-full' };
  const share = mailbox.messages.filter((each) => each.given.sender === given.sender);
  if (share.length >= 4 || sum(share) + bytes > 45) return { kind: 'refused', code: 'sender-full' };
  mailbox.ids.add(id);
  mailbox.lastOffset += 1;
  mailbox.messages.push({ given, offset: mailbox.lastOffset, expiresMs: nowMs + given.ttlMs });
  return { kind: 'stored', offset: mailbox.lastOffset, isNew: true };
}

const sum = (messages: readonly ModelMessage[]) =>
  messages.reduce((total, { given }) => total + given.envelope.length, 0);

async function ackStep(engine: MailboxEngine, model: Map<InboxId, ModelMailbox>, random: Random): Promise<void> {
  const inbox = pick(random, inboxes);
  const mailbox = model.get(inbox);
  const epoch = (await engine.position(inbox))?.epoch ?? '0011223344556677';
  const offsets = Array.from({ length: 3 }, () => 1 + random.integer(Math.max(1, mailbox?.lastOffset ?? 0)));
  const chosen = new Set(offsets);
  const found = mailbox?.messages.filter(({ offset }) => chosen.has(offset)) ?? [];
  const messages = offsets.map((offset) => ({
    offset,
    priority: found.find((each) => each.offset === offset)?.given.priority ?? ('normal' as const),
  }));
  assert.equal(await engine.ack([{ inbox, epoch, messages }]), found.length);
  if (mailbox !== undefined) mailbox.messages = mailbox.messages.filter((each) => !found.includes(each));
}

async function claimStep(
  engine: MailboxEngine,
  model: Map<InboxId, ModelMailbox>,
  random: Random,
  clock: VirtualClock,
): Promise<void> {
  const inbox = pick(random, inboxes);
  const owner = pick(random, parties);
  const mailbox = model.get(inbox);
  if (random.integer(6) === 0) {
    const isOwner = mailbox?.owner === owner;
    assert.equal(await engine.release(inbox, owner), isOwner);
    if (isOwner) model.delete(inbox);
    return;
  }
  const untilMs = clock.now() + 86_400_000;
  const [outcome] = await engine.claim([{ inbox, owner, untilMs, takesStreams: false }]);
  const owned = [...model.values()].filter((each) => each.owner === owner).length;
  if (mailbox !== undefined) assert.equal(outcome, mailbox.owner === owner ? 'claimed' : 'taken');
  else assert.equal(outcome, owned < 2 ? 'claimed' : 'too-many');
  if (outcome !== 'claimed') return;
  if (mailbox === undefined) {
    model.set(inbox, { owner, untilMs, epoch: null, lastOffset: 0, messages: [], ids: new Set() });
  } else mailbox.untilMs = untilMs;
}

async function readStep(
  engine: MailboxEngine,
  model: Map<InboxId, ModelMailbox>,
  random: Random,
  clock: VirtualClock,
): Promise<void> {
  const inbox = pick(random, inboxes);
  const mailbox = model.get(inbox);
  const position = await engine.position(inbox);
  assert.equal(position?.lastOffset, mailbox?.lastOffset);
  if (mailbox !== undefined && position !== null) {
    mailbox.epoch ??= position.epoch;
    assert.equal(position.epoch, mailbox.epoch, 'an epoch stays as long as its mailbox');
  }
  const after: ReadCursor = { urgent: random.integer(4), normal: random.integer(4) };
  const countMax = 1 + random.integer(4);
  const { messages } = await engine.read({ inbox, after, countMax, bytesMax: 1000 });
  const expected = (['urgent', 'normal'] as const).flatMap((priority) =>
    (mailbox?.messages ?? []).filter(
      (each) => each.given.priority === priority && each.offset > after[priority] && each.expiresMs > clock.now(),
    ),
  );
  assert.deepEqual(
    messages.map(({ offset, envelope, kind, receiptTo }) => [offset, toHex(envelope), kind, receiptTo]),
    expected
      .slice(0, countMax)
      .map(({ offset, given }) => [offset, toHex(given.envelope), given.kind, given.receiptTo]),
  );
}

async function totalsStep(engine: MailboxEngine, model: Map<InboxId, ModelMailbox>): Promise<void> {
  const all = [...model.values()].flatMap(({ messages }) => messages);
  assert.deepEqual(await engine.stats(), { mailboxes: model.size, messages: all.length, bytes: sum(all) });
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.integer(from.length)] as T;
}
