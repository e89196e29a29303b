import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Descriptor } from '../descriptor.ts';
import type { Message, Outgoing } from '../message.ts';
import type { PeerSamplingOptions } from '../sampling/options.ts';
import { PeerSampling } from '../sampling/peer-sampling.ts';
import type { TrustBook } from '../trust/trust-book.ts';
import { descriptorOfNumber, noTrust, samplingStartMs } from './sampling-network.ts';

/** Unix milliseconds at which a {@link made} node starts. */
export const startMs = samplingStartMs;
/** Descriptors of a node under test and of others. */
export const all: readonly Descriptor[] = Array.from({ length: 80 }, (_, index) => descriptorOfNumber(index));
export const [self, ...others] = all as [Descriptor, ...Descriptor[]];

/** What a node under test differs in. */
export interface Setting extends Partial<PeerSamplingOptions> {
  readonly trust?: TrustBook;
  readonly seed?: number;
}

/** A node that has not started. */
export function made(setting: Setting = {}): PeerSampling {
  const { trust = noTrust, seed = 1, ...options } = setting;
  return new PeerSampling({ ...options, self }, { random: createSeededRandom(seed), trust });
}

/** The messages of one kind. */
export const of = <Kind extends Message['kind']>(messages: readonly Outgoing[], kind: Kind) =>
  messages.flatMap(({ to, message }) =>
    message.kind === kind ? [{ to, message: message as Extract<Message, { kind: Kind }> }] : [],
  );
/** Their ids. */
export const peersOf = (descriptors: readonly Descriptor[]) => descriptors.map(({ peer }) => peer);
/** What the peer of a descriptor asks us. */
export const pullOf = (descriptor: Descriptor, nonce = 1) =>
  ({ kind: 'pull', nonce, self: descriptor, want: 10 }) as const;

/** Answers every pull of `messages` with what `answer` gives, and every probe. */
export function answerAll(
  node: PeerSampling,
  messages: readonly Outgoing[],
  nowMs: number,
  answer: () => Descriptor[],
): void {
  for (const { to, message } of of(messages, 'pull')) {
    node.onView(to, { kind: 'view', nonce: message.nonce, descriptors: answer() }, nowMs);
  }
  for (const { to, message } of of(messages, 'probe')) node.onProbe(to, { ...message, isReply: true }, nowMs);
}

/** Lets `rounds` rounds go by in which everybody answers; returns when the last of them began. */
export function live(node: PeerSampling, rounds: number, fromMs = startMs, answer = () => someOf(others)): number {
  let nowMs = fromMs;
  let messages = node.start(others.slice(0, 20), nowMs);
  for (let round = 0; round < rounds; round += 1) {
    answerAll(node, messages, nowMs, answer);
    nowMs = node.dueAtMs;
    messages = node.wake(nowMs);
  }
  answerAll(node, messages, nowMs, answer);
  return nowMs;
}

const random = createSeededRandom(9);
/** Ten of them at random. */
export const someOf = (descriptors: readonly Descriptor[]) => random.shuffle(descriptors).slice(0, 10);

/** `from` answers the pull of that nonce. */
export function send(
  node: PeerSampling,
  from: PeerId,
  nonce: number,
  descriptors: readonly Descriptor[],
  nowMs = startMs + 100,
): void {
  node.onView(from, { kind: 'view', nonce, descriptors }, nowMs);
}
