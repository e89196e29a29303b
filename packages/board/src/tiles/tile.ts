import { MalformedError } from '../errors.ts';
import { hashBytes } from '../merkle/hash.ts';

/** The hashes of a tile of `width` (1 … 256), as views into it. @throws {MalformedError} for another length. */
export function hashesOfTile(tile: Uint8Array, width: number): Uint8Array[] {
  if (tile.length !== width * hashBytes) throw new MalformedError('tile', 'another length');
  return Array.from({ length: width }, (_, place) => tile.subarray(place * hashBytes, (place + 1) * hashBytes));
}
