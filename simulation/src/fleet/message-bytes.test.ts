import { createSeededRandom } from '@pulsemesh/base';
import { encodeMessage, type Message } from '@pulsemesh/overlay/protocol';
import { describe, expect, it } from 'vitest';
import { createIdentity } from './identity.ts';
import { messageBytes } from './message-bytes.ts';

const random = createSeededRandom(1);
const descriptors = Array.from({ length: 5 }, (_, index) => {
  return createIdentity({ index, subnets: 100, startMs: 1.8e12 }, random).descriptor;
});
const self = descriptors[0] as (typeof descriptors)[number];
const bytes = (length: number) => random.bytes(length);

const query = { id: bytes(16), nonce: bytes(16), tag: bytes(16), replyKey: bytes(32), hint: [1, 300, 4_000], ttl: 8 };
const nonce = 2 ** 40 + 7;
const messages: readonly Message[] = [
  { kind: 'pull', nonce, self, want: 10 },
  { kind: 'pull', nonce, self, want: 10, knows: bytes(160) },
  { kind: 'view', nonce, descriptors },
  { kind: 'view', nonce, descriptors, named: [bytes(8), bytes(8), bytes(8)] },
  { kind: 'probe', nonce, isReply: true },
  { kind: 'near', nonce, self, filter: bytes(550) },
  { kind: 'near', nonce, self, filter: bytes(550), knows: bytes(20) },
  { kind: 'nearby', nonce, descriptors },
  { kind: 'nearby', nonce, descriptors: [], named: [bytes(8)] },
  { kind: 'ask-filters', nonce, digests: [bytes(16), bytes(16)] },
  { kind: 'filters', nonce, filters: [bytes(550)] },
  { kind: 'join', query },
  { kind: 'joined', id: bytes(16), box: bytes(1_100) },
  { kind: 'ring', route: bytes(16), nonce, isReply: false, proof: bytes(16), self, descriptors, isLeaving: false },
  { kind: 'event', bytes: bytes(400), hops: 3 },
  { kind: 'have', route: bytes(16), ids: [bytes(16)] },
  { kind: 'want', route: bytes(16), ids: [bytes(16), bytes(16)] },
];

describe('messageBytes', () => {
  it.each(messages.map((message) => [message.kind, message] as const))(
    'knows about how long %s is',
    (_kind, message) => {
      const exact = encodeMessage(message).length;
      expect(Math.abs(messageBytes(message) - exact)).toBeLessThanOrEqual(24);
    },
  );
});
