import { createX25519Key } from '@pulsemesh/crypto';
import { equalBytes } from '@pulsemesh/wire';
import type { Advertisement } from './messages.ts';
import { pairMaskKey, seedHashOf, selfMaskKey, signOf } from './pair-keys.ts';
import { combineShares } from './shares.ts';
import { addMask } from './words.ts';

/** The shares that came of each secret that is needed, by the place of its site. */
export interface SharesOf {
  readonly seeds: ReadonlyMap<number, Uint8Array[]>;
  readonly keys: ReadonlyMap<number, Uint8Array[]>;
}

/** True when each secret has `threshold` shares. */
export function hasEnoughShares({ seeds, keys }: SharesOf, threshold: number): boolean {
  return [seeds, keys].every((of) => [...of.values()].every((shares) => shares.length >= threshold));
}

/**
 * Takes the masks off `sum`, in place: the survivors' own, and those they share with who is gone. The secrets are checked against what
 * was advertised before any mask comes off; the places of those whose shares give something else are the result.
 */
export async function openSum(
  sum: Uint32Array,
  round: {
    readonly runId: Uint8Array;
    readonly threshold: number;
    readonly sharesOf: SharesOf;
    readonly advertisements: ReadonlyMap<number, Advertisement>;
    readonly maskedWith: ReadonlyMap<number, readonly number[]>;
    readonly pause: () => Promise<void>;
  },
): Promise<readonly number[]> {
  const { runId, threshold, sharesOf, advertisements, maskedWith, pause } = round;
  const of = (place: number) => advertisements.get(place) as Advertisement; // members all advertised
  const isSeed = (place: number) => (seed: Uint8Array) => equalBytes(seedHashOf(seed), of(place).seedHash);
  const isKey = (place: number) => (key: Uint8Array) => equalBytes(createX25519Key(key).publicKey, of(place).maskKey);
  const seeds = await combineAll(sharesOf.seeds, { threshold, isRight: isSeed, pause });
  const keys = await combineAll(sharesOf.keys, { threshold, isRight: isKey, pause });
  const wrong = [...seeds.wrong, ...keys.wrong];
  if (wrong.length > 0) return wrong;
  for (const seed of seeds.secrets.values()) {
    addMask(sum, selfMaskKey(seed, runId), -1);
    await pause();
  }
  for (const [place, secret] of keys.secrets) {
    const key = createX25519Key(secret);
    for (const other of maskedWith.get(place) ?? []) {
      if (!sharesOf.seeds.has(other)) continue;
      // The survivor put it on with its sign: it comes off with the sign of who is gone.
      addMask(sum, pairMaskKey(key.sharedSecret(of(other).maskKey), runId, place, other), signOf(place, other));
      await pause();
    }
  }
  return [];
}

async function combineAll(
  sharesOf: ReadonlyMap<number, readonly Uint8Array[]>,
  options: {
    readonly threshold: number;
    readonly isRight: (place: number) => (secret: Uint8Array) => boolean;
    readonly pause: () => Promise<void>;
  },
): Promise<{ readonly secrets: ReadonlyMap<number, Uint8Array>; readonly wrong: readonly number[] }> {
  const secrets = new Map<number, Uint8Array>();
  const wrong: number[] = [];
  for (const [place, shares] of sharesOf) {
    const secret = await combineShares(shares, options.threshold, options.isRight(place));
    if (secret === null) wrong.push(place);
    else secrets.set(place, secret);
    await options.pause();
  }
  return { secrets, wrong };
}
