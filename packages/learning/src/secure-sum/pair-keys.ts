import { createPacketCipher, hkdfSha256, packetTagBytes, sha256 } from '@pulsemesh/crypto';
import { concatBytes } from '@pulsemesh/wire';

// Each key is bound to the run and to both sites' places: who copies another's public key gets keys that fit nobody.

/** The key of the mask that two sites share, from what their mask keys agree on. */
export function pairMaskKey(shared: Uint8Array, runId: Uint8Array, one: number, other: number): Uint8Array {
  return hkdfSha256({
    key: shared,
    salt: runId,
    info: pairInfo('pulsemesh/secure-sum/pair-mask/1', one, other),
    length: 32,
  });
}

/** Who of two sites adds their mask; the other takes it away. */
export function signOf(site: number, other: number): 1 | -1 {
  return site < other ? 1 : -1;
}

/** The key of the mask that a site alone puts over its vector. */
export function selfMaskKey(seed: Uint8Array, runId: Uint8Array): Uint8Array {
  return hkdfSha256({ key: seed, salt: runId, info: 'pulsemesh/secure-sum/self-mask/1', length: 32 });
}

const seedHashHead = new TextEncoder().encode('pulsemesh/secure-sum/seed/1\0');

/** What an advertisement says of a self-mask's seed. */
export function seedHashOf(seed: Uint8Array): Uint8Array {
  return sha256(concatBytes(seedHashHead, seed));
}

/** Seals one message each way between two sites, for one run. */
export interface PairSeal {
  seal(plaintext: Uint8Array): Uint8Array;
  /** Null where it does not open. */
  open(sealed: Uint8Array): Uint8Array | null;
}

/** The seals of `self` with `other`, from what their sealing keys agree on. Each way has a key of its own, used for one message. */
export function createPairSeal(shared: Uint8Array, runId: Uint8Array, self: number, other: number): PairSeal {
  const info = pairInfo('pulsemesh/secure-sum/share/1', self, other);
  const keys = hkdfSha256({ key: shared, salt: runId, info, length: 64 });
  const [fromLower, fromHigher] = [keys.subarray(0, 32), keys.subarray(32)];
  const [outwards, inwards] = self < other ? [fromLower, fromHigher] : [fromHigher, fromLower];
  return {
    seal: (plaintext) => createPacketCipher(outwards).seal(0, nothing, plaintext),
    open: (sealed) => (sealed.length < packetTagBytes ? null : createPacketCipher(inwards).open(0, nothing, sealed)),
  };
}

const nothing = new Uint8Array(0);

function pairInfo(label: string, one: number, other: number): Uint8Array {
  const places = new DataView(new ArrayBuffer(8));
  places.setUint32(0, Math.min(one, other));
  places.setUint32(4, Math.max(one, other));
  return concatBytes(new TextEncoder().encode(`${label}\0`), new Uint8Array(places.buffer));
}
