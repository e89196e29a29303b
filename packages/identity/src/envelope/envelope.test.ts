import { AssertionError, createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import {
  createHpkeSuite,
  createHybridKey,
  createSigner,
  createX25519Key,
  dhKemX25519,
  generateX25519,
  WeakKeyError,
} from '@pulsemesh/crypto';
import { concatBytes, encodeCbor, peerIdOfEd25519 } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EnvelopeSuite, envelopeOverheadBytes, openEnvelope, sealEnvelope } from './envelope.ts';
import { ContentTooLargeError, SealRefusedError } from './errors.ts';
import { envelopeLimits, pad, sizeClassOf } from './padding.ts';
import type { EnvelopeSender } from './parties.ts';

const random = createSystemRandom();
const clock = new VirtualClock(1_700_000_000_000);
const text = (value: string) => new TextEncoder().encode(value);
const suites: readonly EnvelopeSuite[] = ['x25519', 'hybrid'];

function person() {
  const signer = createSigner(random.bytes(32));
  const key = createX25519Key(generateX25519(random).privateKey);
  const sealing = { ...key, hybrid: createHybridKey(random.bytes(32)) };
  return {
    publicKey: signer.publicKey,
    sign: (message: Uint8Array) => signer.sign(message),
    sealing,
    sealingKeys: [sealing],
    card: { sealingKey: key.publicKey, hybridKey: sealing.hybrid.publicKey },
  };
}

const alice = person();
const bob = person();
const eve = person();

function seal(suite: EnvelopeSuite, content = text('72 bpm'), from: EnvelopeSender = alice) {
  return sealEnvelope({ from, to: bob.card, content, context: 'mail', suite }, { random, clock });
}

const reasonOf = (envelope: Uint8Array, to = bob, context = 'mail') => {
  try {
    openEnvelope(envelope, { to, context });
    return 'opened';
  } catch (error) {
    if (!(error instanceof SealRefusedError)) throw error;
    return error.reason;
  }
};

describe.each(suites)('an envelope (%s)', (suite) => {
  it('says who sealed it, when, what, and its message id; in the length of its size class', () => {
    fc.assert(
      fc.property(fc.uint8Array({ size: 'large', maxLength: 5000 }), (content) => {
        const envelope = seal(suite, content);
        expect(envelope.length).toBe(sizeClassOf(content.length) + envelopeOverheadBytes[suite]);
        const opened = openEnvelope(envelope, { to: bob, context: 'mail' });
        expect(opened.content).toEqual(content);
        expect(opened.from).toBe(peerIdOfEd25519(alice.publicKey));
        expect(opened.senderKey).toEqual(alice.publicKey);
        expect(opened.createdMs).toBe(clock.now());
        expect(opened.messageId.length).toBe(16);
        expect(opened.suite).toBe(suite);
      }),
      { numRuns: 15 },
    );
  });

  it('has another message id each time, and nothing of it repeats', () => {
    const [one, two] = [seal(suite), seal(suite)];
    const idOf = (envelope: Uint8Array) => openEnvelope(envelope, { to: bob, context: 'mail' }).messageId;
    expect(idOf(one)).not.toEqual(idOf(two));
    expect(idOf(one)).toEqual(idOf(one));
    const equal = one.reduce((count, byte, index) => count + (byte === two[index] ? 1 : 0), 0);
    expect(equal).toBeLessThan(one.length / 8);
  });

  it('shows neither the sender nor the recipient nor the content', () => {
    const content = text('a heartbeat that nobody else may see');
    const envelope = Buffer.from(seal(suite, content));
    const names = [alice.publicKey, alice.sealing.publicKey, bob.publicKey, bob.sealing.publicKey, content];
    for (const name of names) expect(envelope.includes(Buffer.from(name.subarray(0, 16)))).toBe(false);
  });

  it('is refused with any bit flipped', () => {
    const envelope = seal(suite);
    // Opening costs two exchanges: every bit of head, keys and tags, and each seventh of the padding.
    const isDense = (at: number) => at < 8 * 300 || at >= (envelope.length - 20) * 8;
    for (let bit = 0; bit < envelope.length * 8; bit += isDense(bit) ? 1 : 23) {
      const flipped = envelope.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // The top bit of an X25519 public key is ignored (RFC 7748 §5), and then found by the associated data.
      expect(reasonOf(flipped)).not.toBe('opened');
    }
    expect(reasonOf(envelope)).toBe('opened');
  });

  it('is refused when cut, lengthened or empty', () => {
    const envelope = seal(suite);
    for (const length of [0, 1, 2, 100, envelope.length - 1]) {
      expect(reasonOf(envelope.subarray(0, length))).toBe(length < 2 ? 'version' : 'size');
    }
    expect(reasonOf(concatBytes(envelope, Uint8Array.of(0)))).toBe('size');
    expect(reasonOf(concatBytes(envelope, new Uint8Array(768)))).toBe('sealed');
  });

  it('is refused by another recipient, for another use, and of another version', () => {
    const envelope = seal(suite);
    expect(reasonOf(envelope, eve)).toBe('sealed');
    expect(reasonOf(envelope, bob, 'other')).toBe('sealed');
    expect(reasonOf(concatBytes(Uint8Array.of(2), envelope.subarray(1)))).toBe('version');
    expect(reasonOf(concatBytes(Uint8Array.of(1, 3), envelope.subarray(2)))).toBe('version');
  });

  it('takes as much as the limit says, and no more', () => {
    const largest = new Uint8Array(envelopeLimits.contentBytesMax);
    const opened = openEnvelope(seal(suite, largest), { to: bob, context: 'mail' });
    expect(opened.content.length).toBe(largest.length);
    expect(() => seal(suite, new Uint8Array(largest.length + 1))).toThrow(ContentTooLargeError);
    expect(reasonOf(new Uint8Array(largest.length * 2).fill(1, 0, 2))).toBe('size');
  });

  it('cannot be sealed in the name of another', () => {
    expect(reasonOf(seal(suite, text('x'), eve))).toBe('opened');
    const forged = { ...eve, publicKey: alice.publicKey };
    expect(reasonOf(seal(suite, text('x'), forged))).toBe('sender');
    // With Alice's public sealing key, but not its private half.
    const borrowed = { ...alice, sealing: { ...eve.sealing, publicKey: alice.sealing.publicKey } };
    if (suite === 'x25519') expect(reasonOf(seal(suite, text('x'), borrowed))).toBe('sealed');
  });

  it('opens with a retired key, as long as that is among those that are tried', () => {
    const envelope = seal(suite);
    const others = Array.from({ length: envelopeLimits.recipientKeysMax - 1 }, () => eve.sealing);
    const opener = (keys: readonly (typeof eve.sealing)[]) => ({ ...bob, sealingKeys: [...keys, bob.sealing] });
    expect(reasonOf(envelope, opener(others))).toBe('opened');
    expect(reasonOf(envelope, opener([...others, eve.sealing]))).toBe('sealed');
  });

  it('refuses a context that is empty or too long: a bug', () => {
    for (const context of ['', 'x'.repeat(envelopeLimits.contextLengthMax + 1)]) {
      expect(() => openEnvelope(seal(suite), { to: bob, context })).toThrow(AssertionError);
    }
  });
});

describe('envelopes', () => {
  it('are hybrid where the recipient has such a key', () => {
    const sealTo = (to: { sealingKey: Uint8Array; hybridKey?: Uint8Array }) =>
      sealEnvelope({ from: alice, to, content: text('x'), context: 'mail' }, { random, clock });
    expect(openEnvelope(sealTo(bob.card), { to: bob, context: 'mail' }).suite).toBe('hybrid');
    const plain = sealTo({ sealingKey: bob.card.sealingKey });
    expect(openEnvelope(plain, { to: bob, context: 'mail' }).suite).toBe('x25519');
    expect(() => sealTo({ sealingKey: new Uint8Array(32) })).toThrow(WeakKeyError);
  });

  it('are not opened where the reader no longer accepts the key of the sender', () => {
    const asked: unknown[] = [];
    const open = (isAccepted: boolean) =>
      openEnvelope(seal('x25519'), {
        to: bob,
        context: 'mail',
        isSenderKeyAccepted: (...question) => {
          asked.push(question);
          return isAccepted;
        },
      });
    expect(open(true).content).toEqual(text('72 bpm'));
    expect(() => open(false)).toThrow(SealRefusedError);
    expect(asked[0]).toEqual([peerIdOfEd25519(alice.publicKey), alice.sealing.publicKey]);
  });

  it('are refused with anything else inside than what belongs there', () => {
    const contents: readonly Uint8Array[] = [
      text('not CBOR'),
      encodeCbor({ content: 'text', created: 1, id: new Uint8Array(16) }),
      encodeCbor({ content: text('x'), created: 1.5, id: new Uint8Array(16) }),
      encodeCbor({ content: text('x'), created: 1, id: new Uint8Array(15) }),
      encodeCbor([1]),
      encodeCbor(null),
    ];
    for (const content of contents) expect(reasonOf(sealRaw(pad(content, 448)))).toBe('content');
    const good = pad(encodeCbor({ content: text('x'), created: 1, id: new Uint8Array(16) }), 448);
    expect(reasonOf(sealRaw(good))).toBe('opened');
    expect(reasonOf(sealRaw(good.map((byte, index) => (index === good.length - 1 ? 1 : byte))))).toBe('content');
    expect(reasonOf(sealRaw(good.map((byte, index) => (index < 4 ? 255 : byte))))).toBe('content');
  });
});

/** What a sender with a program of its own can make: a whole X25519 envelope with any bytes inside. */
function sealRaw(padded: Uint8Array): Uint8Array {
  const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
  const recipientPublicKey = bob.sealing.publicKey;
  const info = (part: string) => encodeCbor(['pulsemesh/envelope/1', 'x25519', part, 'mail', recipientPublicKey]);
  const inner = suite.createSender({ recipientPublicKey, info: info('content'), senderKey: eve.sealing }, { random });
  const outer = suite.createSender({ recipientPublicKey, info: info('sender') }, { random });
  const signature = eve.sign(concatBytes(text('pulsemesh/envelope/1 sealing key'), eve.sealing.publicKey));
  const head = Uint8Array.of(1, 1);
  const proof = concatBytes(eve.publicKey, eve.sealing.publicKey, signature, inner.encapsulated);
  const before = concatBytes(head, outer.encapsulated, outer.seal(head, proof));
  return concatBytes(before, inner.seal(before, padded));
}
