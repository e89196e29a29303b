import { sha256 } from '@pulsemesh/crypto';
import { compareBytes, concatBytes, ed25519KeyOf, type PeerId } from '@pulsemesh/wire';
import { StatementRefusedError } from './errors.ts';

const kind = new TextEncoder().encode('pulsemesh/safety-number/1');
/** What makes looking for a key with a similar number dear. */
const rounds = 5_200;
const groups = 6;

/**
 * Sixty digits in twelve groups that two people compare by voice or side by side: equal on both sides means that each has the other's true
 * key, and nobody stands in between. The same whichever of the two is named first. (The construction is Signal's, with SHA-256: 30
 * digits a key, so finding another key for one takes about 2^99 times {@link rounds} hashes.)
 * @throws {StatementRefusedError} `statement-malformed` for a legacy peer id, which names no key.
 */
export function safetyNumber(one: PeerId, other: PeerId): string {
  const [first, second] = [keyOf(one), keyOf(other)].sort(compareBytes) as [Uint8Array, Uint8Array];
  return `${digitsOf(first)} ${digitsOf(second)}`;
}

function digitsOf(key: Uint8Array): string {
  let hash = concatBytes(kind, key);
  for (let round = 0; round < rounds; round += 1) hash = sha256(concatBytes(hash, key));
  const view = new DataView(hash.buffer, hash.byteOffset, hash.length);
  return Array.from({ length: groups }, (_, group) => {
    const value = view.getUint32(group * 5) * 256 + view.getUint8(group * 5 + 4);
    return String(value % 100_000).padStart(5, '0');
  }).join(' ');
}

function keyOf(peer: PeerId): Uint8Array {
  const key = ed25519KeyOf(peer);
  if (key === null) throw new StatementRefusedError('card', 'statement-malformed');
  return key;
}
