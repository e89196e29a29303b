import { createSeededRandom } from '@pulsemesh/base';
import { createSigner } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDescriptor, type Descriptor } from '../descriptor.ts';
import { messageLimits, type PullMessage, type ViewMessage } from '../message.ts';
import { startNetwork } from '../testing/node-world.ts';
import { createTopic } from '../topic.ts';
import { nameFilter, seemsNamed } from './name-filter.ts';
import { ShortAnswers, shortAnswerLimits, shortNameOf } from './short-answers.ts';

const random = createSeededRandom(11);
const [other, liar] = ['another', 'a liar'] as [PeerId, PeerId];

function descriptor(version = 1, signer = createSigner(random.bytes(32))): Descriptor {
  const content = { addresses: ['/ip4/192.0.2.1/tcp/4001'], version, expiresAtSeconds: 1_900_000_000, capabilities: 1 };
  return createDescriptor(content, signer);
}

const self = descriptor();
const many = Array.from({ length: 300 }, () => descriptor());
const pull = (nonce: number): PullMessage => ({ kind: 'pull', nonce, self, want: 10 });
const view = (nonce: number, descriptors: readonly Descriptor[]): ViewMessage => ({ kind: 'view', nonce, descriptors });
const bytesIn = ({ descriptors, named = [] }: ViewMessage) =>
  descriptors.reduce((sum, { bytes }) => sum + bytes.length, 0) + 8 * named.length;

/** Asks `from` and takes what it answers; returns the answer as it came, and as it was read. */
function exchange(asker: ShortAnswers, answerer: ShortAnswers, nonce: number, descriptors: readonly Descriptor[]) {
  const question = asker.ask(other, pull(nonce));
  const sent = answerer.answer(question, view(nonce, descriptors));
  return { question, sent, read: asker.read(other, sent) };
}

describe('answers to who knows most of them', () => {
  it('are short, and are read as they were meant', () => {
    const [asker, answerer] = [new ShortAnswers(), new ShortAnswers()];
    const known = many.slice(0, 100);
    for (let at = 0; at < 100; at += 10) exchange(asker, answerer, at, known.slice(at, at + 10));
    for (let at = 100; at < 105; at += 1) exchange(asker, answerer, at, known.slice(0, 10));
    const told = [...known.slice(50, 59), many[200] as Descriptor];
    const { question, sent, read } = exchange(asker, answerer, 200, told);
    expect(question.knows?.length).toBe(125);
    expect(sent.named).toHaveLength(9);
    expect(sent.descriptors).toEqual([many[200]]);
    expect(bytesIn(sent)).toBeLessThan(bytesIn(view(200, told)) / 5);
    expect(new Set(read.descriptors)).toEqual(new Set(told));
    expect(read.named).toBeUndefined();
  });

  it('are whole where the asker does not say what it knows, which it does not while it knows little of what it is told', () => {
    const [asker, answerer] = [new ShortAnswers(), new ShortAnswers()];
    for (let at = 0; at < 30; at += 1) {
      const { question, sent } = exchange(asker, answerer, at, many.slice(10 * at, 10 * at + 10));
      expect(question.knows).toBeUndefined();
      expect(sent.named).toBeUndefined();
    }
  });

  it('hold a newer version of what is known in full', () => {
    const [asker, answerer] = [new ShortAnswers(), new ShortAnswers()];
    const signer = createSigner(random.bytes(32));
    const [old, newer] = [descriptor(1, signer), descriptor(2, signer)];
    for (let at = 0; at < 3; at += 1) exchange(asker, answerer, at, [old]);
    const { sent, read } = exchange(asker, answerer, 9, [newer]);
    expect(sent.descriptors).toEqual([newer]);
    expect(read.descriptors).toEqual([newer]);
  });

  it('lack what seems known and is not, and hold it the next time', () => {
    const [asker, answerer] = [new ShortAnswers(), new ShortAnswers()];
    for (let at = 0; at < 10; at += 1) exchange(asker, answerer, at, many.slice(0, 10));
    let lacking = 0;
    const strangers = many.slice(100, 200);
    for (let at = 0; at < 100; at += 1) {
      const question = asker.ask(other, pull(1_000 + at));
      lacking += answerer.answer(question, view(1_000 + at, strangers)).named?.length ?? 0;
      asker.read(other, view(1_000 + at, many.slice(0, 10))); // it knows as much, or as little, as before
    }
    expect(lacking / (100 * strangers.length)).toBeGreaterThan(0.002);
    expect(lacking / (100 * strangers.length)).toBeLessThan(0.016);
  });

  it('bring nothing in by names that mean nothing here, nor unasked, nor twice', () => {
    const asker = new ShortAnswers();
    asker.ask(other, pull(1));
    const named = [new Uint8Array(8), shortNameOf(many[0] as Descriptor)];
    expect(asker.read(other, { ...view(1, []), named }).descriptors).toEqual([]);
    // What came unasked is left to who refuses it, and is not remembered.
    expect(asker.read(liar, view(1, many.slice(0, 2))).descriptors).toEqual(many.slice(0, 2));
    asker.read(other, view(1, many.slice(0, 2)));
    asker.ask(other, pull(2));
    expect(asker.read(other, { ...view(2, []), named }).descriptors).toEqual([]);
  });

  it('give no forged one a place', () => {
    const asker = new ShortAnswers();
    const forged = { ...(many[0] as Descriptor), addresses: ['/ip4/10.0.0.1/tcp/1'] };
    asker.ask(other, pull(1));
    asker.read(other, view(1, [forged]));
    asker.ask(other, pull(2));
    expect(asker.read(other, { ...view(2, []), named: [shortNameOf(forged)] }).descriptors).toEqual([]);
  });

  it('are remembered to a limit, and a question stays below what a message may hold', () => {
    const [asker, answerer] = [new ShortAnswers(), new ShortAnswers()];
    for (let at = 0; at < 300; at += 10) exchange(asker, answerer, at, many.slice(at, at + 10));
    let question = asker.ask(other, pull(1_000));
    for (let at = 0; at < 10; at += 1) ({ question } = exchange(asker, answerer, 1_001 + at, many.slice(-10)));
    expect(question.knows).toHaveLength(messageLimits.knowsBytesMax);
    const { sent } = exchange(asker, answerer, 2_000, many.slice(0, 10));
    expect(sent.descriptors.length).toBeGreaterThan(7);
    expect(shortAnswerLimits.heardMax).toBeLessThan(many.length);
  });
});

describe('a network of forty', () => {
  it('answers a tenth of what it did once everybody was heard of, and its views stay as full', () => {
    const { world, nodes } = startNetwork(40, 7, createTopic('ward 7'));
    world.run(150_000);
    const views = nodes.map(({ view: peers }) => peers.length);
    world.log.length = 0;
    world.run(60_000);
    const sent = world.log.flatMap(({ message }) => (message.kind === 'view' ? [message] : []));
    const inFull = sent.reduce((sum, { descriptors, named = [] }) => sum + descriptors.length + named.length, 0);
    expect(inFull).toBeGreaterThan(5 * sent.length);
    const bytes = sent.reduce((sum, message) => sum + bytesIn(message), 0);
    expect(bytes).toBeLessThan((inFull * self.bytes.length) / 10);
    expect(nodes.map(({ view: peers }) => peers.length)).toEqual(views);
    const refused = nodes
      .flatMap(({ refusals }) => [...refusals.keys()])
      .filter((reason) => /unasked|forged/.test(reason));
    expect(refused).toEqual([]);
  });
});

describe('a filter of names', () => {
  const name = () => ({ first: random.integer(2 ** 32) | 0, second: random.integer(2 ** 32) | 0 });

  it('holds each name it was made of, whatever the salt, and about one in 120 of others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 128 }), fc.integer({ min: 0, max: 2 ** 48 - 1 }), (count, salt) => {
        const names = Array.from({ length: count }, name);
        const filter = nameFilter(names, salt);
        return names.every((one) => seemsNamed(one, filter, salt));
      }),
    );
    const filter = nameFilter(Array.from({ length: 128 }, name), 5);
    const wrong = Array.from({ length: 20_000 }, name).filter((one) => seemsNamed(one, filter, 5)).length;
    expect(wrong / 20_000).toBeGreaterThan(1 / 240);
    expect(wrong / 20_000).toBeLessThan(1 / 60);
  });

  it('is the one that PROTOCOL.md describes', () => {
    // Computed apart, in Python, from the names 01…08, f1…f8 and eight zero bytes.
    const names = [
      { first: 0x04030201, second: 0x08070605 },
      { first: 0xf4f3f2f1 | 0, second: 0xf8f7f6f5 | 0 },
      { first: 0, second: 0 },
    ];
    expect(Buffer.from(nameFilter(names, 0x123456789abc)).toString('hex')).toBe('34fa8f41');
  });

  it('takes any bytes for a filter, and errs about others under another salt', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 160 }), fc.integer({ min: 0, max: 2 ** 48 - 1 }), (filter, salt) => {
        expect(typeof seemsNamed(name(), filter, salt)).toBe('boolean');
      }),
    );
    expect(seemsNamed(name(), new Uint8Array(0), 1)).toBe(false);
    const names = Array.from({ length: 128 }, name);
    const strangers = Array.from({ length: 5_000 }, name);
    const wrongUnder = (salt: number) => {
      const filter = nameFilter(names, salt);
      return strangers.filter((one) => seemsNamed(one, filter, salt));
    };
    const [one, another] = [wrongUnder(1), wrongUnder(2)];
    expect(one.filter((stranger) => another.includes(stranger)).length).toBeLessThan(one.length / 4);
  });
});
