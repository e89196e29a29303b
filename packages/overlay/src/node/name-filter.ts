import { type Hash, mixHash } from '../sampling/keyed-hash.ts';

/** With 10 bits a name and 7 hashes one in 120 of the names that are not in a filter is taken for one that is. */
export const nameFilterParameters = { bitsPerName: 10, hashes: 7 } as const;

/** A Bloom filter of names, each 64 evenly distributed bits; `salt` (0 … 2^48-1) makes its errors others each time. */
export function nameFilter(names: readonly Hash[], salt: number): Uint8Array {
  const filter = new Uint8Array(Math.ceil((nameFilterParameters.bitsPerName * names.length) / 8));
  for (const name of names) {
    const [first, step] = hashesOf(name, salt);
    for (let index = 0; index < nameFilterParameters.hashes; index += 1) {
      const at = positionOf(first, step, index, filter);
      filter[at >>> 3] = (filter[at >>> 3] as number) | (1 << (at & 7)); // at is below its bits
    }
  }
  return filter;
}

/** Whether the filter holds `name`, or seems to. */
export function seemsNamed(name: Hash, filter: Uint8Array, salt: number): boolean {
  if (filter.length === 0) return false;
  const [first, step] = hashesOf(name, salt);
  for (let index = 0; index < nameFilterParameters.hashes; index += 1) {
    const at = positionOf(first, step, index, filter);
    if ((((filter[at >>> 3] as number) >>> (at & 7)) & 1) === 0) return false; // at is below its bits
  }
  return true;
}

/** Two hashes of a name; sums of them stand in place of further ones (Kirsch, Mitzenmacher 2006). */
function hashesOf(name: Hash, salt: number): readonly [number, number] {
  const [low, high] = [salt | 0, Math.floor(salt / 2 ** 32)];
  return [mixHash(name, low, high), mixHash(name, high, ~low) | 1];
}

function positionOf(first: number, step: number, index: number, filter: Uint8Array): number {
  return ((first + Math.imul(index, step)) >>> 0) % (filter.length * 8);
}
