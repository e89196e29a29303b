import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { createBox, createHpkeSuite, dhKemX25519 } from '@pulsemesh/crypto';
import { identityOfSeed } from '@pulsemesh/identity';
import {
  acceptPairSession,
  type EnvelopeSuite,
  openEnvelope,
  restorePairSession,
  sealEnvelope,
  startPairSession,
} from '@pulsemesh/identity/envelope';
import type { Contender } from './contender.ts';

const random = createSystemRandom();
const clock = createSystemClock();
const from = identityOfSeed(random.bytes(32));
const to = identityOfSeed(random.bytes(32));
const none = new Uint8Array(0);

/** HPKE alone, base mode: what the other libraries do. */
export function ourHpke(content: Uint8Array): Contender {
  const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
  const recipientPublicKey = to.sealing.publicKey;
  const seal = () => {
    const sender = suite.createSender({ recipientPublicKey, info: none }, { random });
    return { encapsulated: sender.encapsulated, sealed: sender.seal(none, content) };
  };
  const { encapsulated, sealed } = seal();
  const open = () => suite.createRecipient({ encapsulated, recipientKey: to.sealing, info: none }).open(none, sealed);
  return { name: 'HPKE', seal, open };
}

/** A context that is there: a message after the first. */
export function ourHpkeContext(content: Uint8Array): Contender {
  const suite = createHpkeSuite(dhKemX25519, 'aes-256-gcm');
  const createSender = () => suite.createSender({ recipientPublicKey: to.sealing.publicKey, info: none }, { random });
  const [sender, other] = [createSender(), createSender()];
  const { encapsulated } = sender;
  const recipient = suite.createRecipient({ encapsulated, recipientKey: to.sealing, info: none });
  return {
    name: 'HPKE context',
    seal: () => other.seal(none, content),
    open: () => recipient.open(none, sender.seal(none, content)),
  };
}

/** An envelope: sender authenticated and hidden, padded. */
export function ourEnvelope(content: Uint8Array, suite: EnvelopeSuite): Contender {
  const card = { sealingKey: to.sealing.publicKey, hybridKey: to.sealing.hybrid.publicKey };
  const seal = () => sealEnvelope({ from, to: card, content, context: 'bench', suite }, { random, clock });
  const envelope = seal();
  return { name: `envelope ${suite}`, seal, open: () => openEnvelope(envelope, { to, context: 'bench' }) };
}

/**
 * A message in a pair session as the relay client sends it: a batch of its own, the state and the message sealed for the disk before it
 * goes; read so that it could be read again, then forgotten.
 */
export function ourPairMessage(content: Uint8Array): Contender {
  const limits = { unansweredMax: 2 ** 31 };
  const card = { sealingKey: to.sealing.publicKey };
  const { session, handshake } = startPairSession({ from, to: card }, { random, clock, limits });
  const receiver = acceptPairSession(handshake, { to }, { random, limits }).session;
  const other = restorePairSession(session.toBytes(), { random, limits });
  const box = createBox(random.bytes(32), { random });
  const messageId = random.bytes(16);
  const sealWith = (pair: typeof session) => {
    const batch = pair.seal([messageId, content]);
    return { batch, kept: [box.seal(pair.toBytes()), box.seal(content)] };
  };
  return {
    name: 'message in a pair session',
    seal: () => sealWith(other),
    open: () => {
      const { batch } = sealWith(session);
      const messages = receiver.peek(batch);
      receiver.forget(batch);
      return messages;
    },
  };
}

/** A batch of a pair session, `count` messages in each. */
export function ourBatch(content: Uint8Array, count: number): Contender {
  const card = { sealingKey: to.sealing.publicKey };
  const limits = { unansweredMax: 2 ** 31 };
  const { session, handshake } = startPairSession({ from, to: card }, { random, clock, limits });
  const receiver = acceptPairSession(handshake, { to }, { random, limits }).session;
  const other = restorePairSession(session.toBytes(), { random, limits });
  const messages = Array.from({ length: count }, () => content);
  return {
    name: `batch of ${count}`,
    seal: () => other.seal(messages),
    open: () => receiver.open(session.seal(messages)),
  };
}
