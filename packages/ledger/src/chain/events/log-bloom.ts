import { keccak256 } from 'viem';
import type { Hex } from '../../offer/offer.ts';

/** Whether a block's bloom says that it may hold logs of an address (yellow paper §4.3.1: three bits of 2,048 per address). */
export function mayHoldLogsOf(bloom: Hex, address: Hex): boolean {
  const hash = keccak256(address);
  for (const pair of [0, 2, 4]) {
    const bit = Number.parseInt(hash.slice(2 + 2 * pair, 6 + 2 * pair), 16) & 2_047;
    const nibble = Number.parseInt(bloom[2 + 511 - (bit >> 2)] ?? '0', 16);
    if ((nibble & (1 << (bit & 3))) === 0) return false;
  }
  return true;
}
