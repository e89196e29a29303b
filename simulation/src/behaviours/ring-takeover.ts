import type { Random } from '@pulsemesh/base';
import { createSigner, type Signer, sha256 } from '@pulsemesh/crypto';

/** The place of a key on the rings of an epoch: the first eight bytes of SHA-256(key ‖ epoch). */
export function ringPlace(publicKey: Uint8Array, epoch: number): bigint {
  const input = new Uint8Array(40);
  input.set(publicKey);
  new DataView(input.buffer).setBigUint64(32, BigInt(epoch));
  const digest = sha256(input);
  return new DataView(digest.buffer, digest.byteOffset).getBigUint64(0);
}

/**
 * Takes the places beside a victim on every ring, where silent peers make it hear by shortcuts only (THREATS 12): draws `tries` keys and keeps those nearest to the victim's place in this epoch: `count` on each side, the nearest
 * first. An attacker does 100,000 tries in seconds.
 */
export function grindKeys(
  victim: { readonly publicKey: Uint8Array; readonly epoch: number },
  options: { readonly tries: number; readonly count: number },
  random: Random,
): readonly Signer[] {
  const place = ringPlace(victim.publicKey, victim.epoch);
  const after: [bigint, Signer][] = [];
  const before: [bigint, Signer][] = [];
  for (let left = options.tries; left > 0; left -= 1) {
    const signer = createSigner(random.bytes(32));
    const distance = BigInt.asUintN(64, ringPlace(signer.publicKey, victim.epoch) - place);
    insert(after, distance, signer, options.count);
    insert(before, BigInt.asUintN(64, -distance), signer, options.count);
  }
  return [...after, ...before].map(([, signer]) => signer);
}

function insert(nearest: [bigint, Signer][], distance: bigint, signer: Signer, count: number): void {
  const last = nearest.at(-1);
  if (nearest.length === count && last !== undefined && last[0] <= distance) return;
  nearest.push([distance, signer]);
  nearest.sort(([one], [other]) => (one < other ? -1 : 1));
  nearest.length = Math.min(nearest.length, count);
}
