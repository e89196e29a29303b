import type { Topic } from '@pulsemesh/overlay/protocol';
import { encodeCbor } from '@pulsemesh/wire';

/** Bits of the filters that all peers of a network use (spec overlay §4). */
const bits = 4_096;
/** Set bits that noise and 512 topics explain at ε = 3, with little to spare: the most that is not refused at sight. */
const plausibleShare = 0.155;

/** Ways to look like everybody's neighbour. */
export type PoisonedFilter = 'ones' | 'full' | 'half' | 'topics';

/**
 * An interest filter that claims to like everything, so that everybody takes its owner for a neighbour (THREATS 10):
 * `ones` has every bit set, `full` as many as pass for plausible, `half` every second one under the least ε, so that noise explains
 * them; `topics` is tuned: every topic of the network, and no noise.
 */
export function poisonedFilter(kind: PoisonedFilter, epoch: number, topics: readonly Topic[]): Uint8Array {
  switch (kind) {
    case 'ones':
      return encodeFilter(3_000, epoch, spread(1));
    case 'full':
      return encodeFilter(3_000, epoch, spread(plausibleShare));
    case 'half':
      return encodeFilter(250, epoch, spread(0.5));
    case 'topics':
      return encodeFilter(20_000, epoch, bodyOf(topics.map((topic) => positionOf(topic, epoch))));
  }
}

/** Evenly spread: any topic's bit is set with the same chance. */
function spread(share: number): Uint8Array {
  const positions = Array.from({ length: bits }, (_, bit) => bit);
  return bodyOf(positions.filter((bit) => Math.floor((bit + 1) * share) > Math.floor(bit * share)));
}

function bodyOf(positions: readonly number[]): Uint8Array {
  const body = new Uint8Array(bits / 8);
  for (const bit of positions) body[bit >> 3] = (body[bit >> 3] as number) | (1 << (bit & 7)); // below the length
  return body;
}

function positionOf(topic: Topic, epoch: number): number {
  const element = topic.filterElement(epoch);
  return new DataView(element.buffer, element.byteOffset).getUint32(0) % bits;
}

function encodeFilter(epsilonMilli: number, epoch: number, body: Uint8Array): Uint8Array {
  return encodeCbor([1, bits, 1, epsilonMilli, epoch, new Uint8Array(16), body]);
}
