import { sha256 } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';
import { fromHex } from './hex.ts';
import type { StateChanges } from './state-types.ts';

const label = new TextEncoder().encode('pulsemesh/ledger-state/1');
const one = (tag: number) => Uint8Array.of(tag);

/**
 * The state hash of a block: SHA-256 over its parent's and what the block changed, sorted: so two chains with the same hash have made the
 * same changes in the same order from the same genesis, and have the same state. It proves no single account (a trie would, at 1.7 ms a
 * purchase); who wants to be sure executes again (`verify.ts`). Code is committed to by its hash.
 */
export function nextStateHash(parent: Uint8Array, changes: StateChanges): Uint8Array {
  const parts: Uint8Array[] = [label, parent];
  for (const [address, record] of sorted(changes.accounts)) {
    if (record === null) parts.push(one(0), fromHex(address));
    else parts.push(one(1), fromHex(address), word(record.nonce), word(record.balance), record.codeHash);
  }
  for (const [place, value] of sorted(changes.slots)) {
    parts.push(one(2), fromHex(place), padded(value));
  }
  return sha256(concatBytes(...parts));
}

function sorted<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function word(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, '0'));
}

function padded(value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set(value, 32 - value.length);
  return bytes;
}
