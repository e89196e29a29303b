import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { combine, split } from 'shamir-secret-sharing';
import { secretBytes, shareBytes } from './messages.ts';
import { secureSumLimits } from './settings.ts';

/** Both of a site's shares for one holder: of the self-mask's seed, of the mask key, and their common place. */
const pairedBytes = 2 * secretBytes + 1;

/**
 * Shares of both secrets (32 bytes each) for `holders`, of which `threshold` give them back: a CBOR list. They are drawn by the library
 * from the system's randomness: another call gives others, and shares of two calls do not fit together, so that the
 * result must be written down before any of it is used.
 */
export async function splitSecrets(
  secrets: { readonly seed: Uint8Array; readonly maskKey: Uint8Array },
  holders: number,
  threshold: number,
): Promise<Uint8Array> {
  // One polynomial a byte: the halves of a share are shares of the halves, and say nothing of each other.
  const both = new Uint8Array(2 * secretBytes);
  both.set(secrets.seed);
  both.set(secrets.maskKey, secretBytes);
  const shares = encodeCbor(await split(both, holders, threshold));
  both.fill(0);
  return shares;
}

/** The shares in what {@link splitSecrets} gave; null where these are not so many. */
export function parseSplit(bytes: Uint8Array, holders: number): readonly Uint8Array[] | null {
  const bytesMax = 8 + secureSumLimits.holdersMax * (pairedBytes + 2);
  try {
    const shares = decodeCbor(bytes, { bytesMax, depthMax: 1 });
    if (!Array.isArray(shares) || shares.length !== holders) return null;
    return shares.every((share) => share instanceof Uint8Array && share.length === pairedBytes) ? shares : null;
  } catch {
    return null;
  }
}

/** The share of the self-mask's seed in a holder's pair. */
export function seedShareOf(pair: Uint8Array): Uint8Array {
  return shareOf(pair, 0);
}

/** The share of the mask key in a holder's pair. */
export function keyShareOf(pair: Uint8Array): Uint8Array {
  return shareOf(pair, secretBytes);
}

function shareOf(pair: Uint8Array, start: number): Uint8Array {
  const share = new Uint8Array(shareBytes);
  share.set(pair.subarray(start, start + secretBytes));
  share[secretBytes] = pair[2 * secretBytes] as number;
  return share;
}

/**
 * The secret of which `isRight` is true, from `threshold` of the shares; null where no `threshold` neighbours in the list, taken as a
 * ring, give it. With one share more than needed one false share is got around, wherever it is.
 */
export async function combineShares(
  shares: readonly Uint8Array[],
  threshold: number,
  isRight: (secret: Uint8Array) => boolean,
): Promise<Uint8Array | null> {
  if (shares.length < threshold) return null;
  const starts = shares.length === threshold ? 1 : shares.length;
  for (let start = 0; start < starts; start += 1) {
    const some = Array.from(
      { length: threshold },
      (_, step) => new Uint8Array(shares[(start + step) % shares.length] ?? []),
    );
    const secret = await combined(some);
    if (secret !== null && isRight(secret)) return secret;
  }
  return null;
}

async function combined(shares: Uint8Array[]): Promise<Uint8Array | null> {
  // Of the right lengths already; what is left is two shares of one place, or a share of the place of the secret itself.
  if (shares.some((share) => share[secretBytes] === 0)) return null;
  try {
    return await combine(shares);
  } catch {
    return null;
  }
}
