import { encodeCbor } from '@pulsemesh/wire';

/** Bits of the filters that all peers of a network use (spec overlay §4). */
const bits = 4_096;
const epsilonMilli = 3_000;
/** Set bits that noise and 512 topics explain at ε = 3, with little to spare: the most that is not refused at sight. */
const plausibleShare = 0.155;

/**
 * An interest filter that claims to like everything, so that everybody takes its owner for a neighbour (THREATS 10):
 * `ones` has every bit set, `full` as many as pass for plausible.
 */
export function poisonedFilter(kind: 'ones' | 'full', epoch: number): Uint8Array {
  const share = kind === 'ones' ? 1 : plausibleShare;
  const body = new Uint8Array(bits / 8);
  // Evenly spread: any topic's bit is set with the same chance.
  for (let bit = 0; bit < bits; bit += 1) {
    const isSet = Math.floor((bit + 1) * share) > Math.floor(bit * share);
    if (isSet) body[bit >> 3] = (body[bit >> 3] as number) | (1 << (bit & 7)); // below the length
  }
  return encodeCbor([1, bits, 1, epsilonMilli, epoch, new Uint8Array(16), body]);
}
