import { createKeystream, sha256 } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';

const label = new TextEncoder().encode('pulsemesh/secure-sum/graph/1');

/**
 * Who masks with whom: for each member (places in the list of sites, ascending) its neighbours, ascending. All with all, or a ring of the
 * members in an order drawn from the run and the list of keys, each with its `neighbours` nearest: regular and
 * connected (Harary graph in random order; Bell et al. 2020, §4). No party chooses the order alone, since every key is in the list; whoever
 * comes last can still try many keys, so that the threshold has to hold against neighbours of an adversary's liking.
 */
export function neighbourhoods(
  members: readonly number[],
  neighbours: number | 'all',
  seed: { readonly runId: Uint8Array; readonly keysHash: Uint8Array },
): ReadonlyMap<number, readonly number[]> {
  const count = members.length;
  if (neighbours === 'all' || neighbours >= count - 1)
    return new Map(members.map((member) => [member, members.filter((other) => other !== member)]));
  const ring = shuffled(members, sha256(concatBytes(label, seed.runId, seed.keysHash)));
  const half = neighbours / 2;
  return new Map(
    ring.map((member, place) => {
      const near: number[] = [];
      for (let step = 1; step <= half; step += 1) {
        near.push(ring[(place + step) % count] as number, ring[(place - step + count) % count] as number);
      }
      return [member, near.sort((one, other) => one - other)];
    }),
  );
}

/** Fisher-Yates with numbers from a keystream, biased ones drawn again: the same order in every language. */
function shuffled(members: readonly number[], key: Uint8Array): readonly number[] {
  const stream = createKeystream(key);
  const buffer = new Uint8Array(4);
  const view = new DataView(buffer.buffer);
  const below = (limit: number): number => {
    const fair = 2 ** 32 - (2 ** 32 % limit);
    for (;;) {
      stream.fill(buffer); // ends: at most one draw in two is drawn again, and the stream has a limit
      const value = view.getUint32(0, true);
      if (value < fair) return value % limit;
    }
  };
  const order = [...members];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = below(last + 1);
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  return order;
}
