import { sha256, verifySignature } from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor, toHex } from '@pulsemesh/wire';
import type { Step } from '../party/party.ts';
import { secureSumLimits } from './settings.ts';
import { bytesOfWords, wordsOfBytes } from './words.ts';

// Sites are named by their places in the settings' list. Each message is a CBOR array; what is decoded has the right shape and sizes,
// whether it makes sense is the machines' to check.

/** A site's keys for one attempt, signed with its identity key. */
export interface Advertisement {
  readonly site: number;
  /** X25519: shares for this site are sealed to it. Never revealed. */
  readonly sealingKey: Uint8Array;
  /** X25519: masks are agreed with it. Its private key is shared among the neighbours. */
  readonly maskKey: Uint8Array;
  /** SHA-256 of the self-mask's seed, so that false shares of it are noticed. */
  readonly seedHash: Uint8Array;
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/** All advertisements, in order of sites: what `keysHash` is of. */
export interface KeyList {
  readonly advertisements: readonly Advertisement[];
}

/** Sealed shares: from one site to each of its neighbours, or from each of its neighbours to one site. Ascending. */
export interface SealedShares {
  readonly run: Uint8Array;
  readonly shares: readonly { readonly site: number; readonly sealed: Uint8Array }[];
}

/** A vector under its masks. */
export interface MaskedVector {
  readonly run: Uint8Array;
  /** Modulo 2^32. */
  readonly words: Uint32Array;
}

/** Shares that take off the masks, of each site (ascending) one or the other, never both. */
export interface Reveal {
  readonly run: Uint8Array;
  /** Of the self-mask seeds of survivors. */
  readonly seeds: readonly RevealedShare[];
  /** Of the mask keys of those who are gone. */
  readonly keys: readonly RevealedShare[];
}

/** What one site holds of a secret of another. */
export interface RevealedShare {
  readonly site: number;
  /** 33 bytes: the share and its place. */
  readonly share: Uint8Array;
}

/** Bytes of a secret, and of a share of one. */
export const secretBytes = 32;
export const shareBytes = secretBytes + 1;
/** Both shares with one place, sealed. */
const sealedShareBytes = 2 * secretBytes + 1 + 16;
/** How much of the run's id a message carries: enough to tell runs apart, the seals and signatures bind all of it. */
export const runTagBytes = 16;
const advertisementBytesMax = 256;
const sharesBytesMax = 32 + secureSumLimits.holdersMax * (sealedShareBytes + 8);
const revealBytesMax = 64 + secureSumLimits.holdersMax * (shareBytes + 8);
const listBytesMax = 16 + secureSumLimits.sitesMax * (advertisementBytesMax + 3);

/** Step 1, site to aggregator. */
export const advertiseStep: Step<Advertisement> = {
  name: 'advertise',
  encode: encodeAdvertisement,
  decode: (bytes) => decodeAdvertisement(decodeCbor(bytes, { bytesMax: advertisementBytesMax, depthMax: 1 })),
};

/** Step 1, aggregator to site. */
export const keysStep: Step<KeyList> = {
  name: 'keys',
  encode: (list) => encodeCbor(list.advertisements.map(({ body, signature }) => [body, signature])),
  decode(bytes) {
    const parts = listOf(decodeCbor(bytes, { bytesMax: listBytesMax, depthMax: 2 }), secureSumLimits.sitesMax);
    return { advertisements: ascending(parts.map(decodeAdvertisement)) };
  },
};

/** Step 2: site to aggregator, one for each neighbour. */
export const sharesStep: Step<SealedShares> = sharesStepOf('shares');
/** Step 2: aggregator to site, one of each neighbour. */
export const deliveryStep: Step<SealedShares> = sharesStepOf('delivery');

/** Step 3, site to aggregator. */
export const maskedStep: Step<MaskedVector> = {
  name: 'masked',
  encode: ({ run, words }) => encodeCbor([run, bytesOfWords(words)]),
  decode(bytes) {
    const [run, vector] = tuple(decodeCbor(bytes, { bytesMax: maskedBytesMax, depthMax: 1 }), 2);
    return { run: bytesOf(run, runTagBytes), words: wordsOfBytes(bytesOf(vector)) };
  },
};
const maskedBytesMax = 64 + 4 * secureSumLimits.vectorLengthMax;

/** Step 4, site to aggregator. */
export const revealStep: Step<Reveal> = {
  name: 'reveal',
  encode: ({ run, seeds, keys }) => encodeCbor([run, seeds.map(pairOf), keys.map(pairOf)]),
  decode(bytes) {
    const [run, seeds, keys] = tuple(decodeCbor(bytes, { bytesMax: revealBytesMax, depthMax: 3 }), 3);
    return { run: bytesOf(run, runTagBytes), seeds: revealedOf(seeds), keys: revealedOf(keys) };
  },
};

/** SHA-256 of the list as encoded, lower-case hex: what the aggregator commits to the board as `keysHash`. */
export function keysHashOf(list: KeyList): string {
  return toHex(sha256(keysStep.encode(list)));
}

/** SHA-256 of the masked words, little-endian, lower-case hex: what the survivor set on the board says of each. */
export function maskedHashOf(words: Uint32Array): string {
  return toHex(sha256(bytesOfWords(words)));
}

/** What a site signs: bound to the run, so that it is worth nothing in another one. */
export function signAdvertisement(
  keys: Pick<Advertisement, 'site' | 'sealingKey' | 'maskKey' | 'seedHash'>,
  runId: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array,
): Advertisement {
  const body = encodeCbor([keys.site, keys.sealingKey, keys.maskKey, keys.seedHash]);
  return { ...keys, body, signature: sign(signedMessage(runId, body)) };
}

/** True when it is `publicKey`'s, of this run. */
export function isSignedAdvertisement(
  { body, signature }: Advertisement,
  runId: Uint8Array,
  publicKey: Uint8Array | null,
): boolean {
  return publicKey !== null && verifySignature(publicKey, signedMessage(runId, body), signature);
}

const signedHead = new TextEncoder().encode('pulsemesh/secure-sum/advertise/1\0');

function signedMessage(runId: Uint8Array, body: Uint8Array): Uint8Array {
  return concatBytes(signedHead, runId, body);
}

function encodeAdvertisement({ body, signature }: Advertisement): Uint8Array {
  return encodeCbor([body, signature]);
}

function decodeAdvertisement(value: unknown): Advertisement {
  const parts = tuple(value, 2);
  const [body, signature] = [bytesOf(parts[0]), bytesOf(parts[1], 64)];
  const fields = tuple(decodeCbor(body, { bytesMax: advertisementBytesMax, depthMax: 1 }), 4);
  return {
    site: placeOf(fields[0]),
    sealingKey: bytesOf(fields[1], 32),
    maskKey: bytesOf(fields[2], 32),
    seedHash: bytesOf(fields[3], 32),
    body,
    signature,
  };
}

function sharesStepOf(name: string): Step<SealedShares> {
  return {
    name,
    encode: ({ run, shares }) => encodeCbor([run, shares.map(({ site, sealed }) => [site, sealed])]),
    decode(bytes) {
      const [run, shares] = tuple(decodeCbor(bytes, { bytesMax: sharesBytesMax, depthMax: 3 }), 2);
      const pairs = listOf(shares, secureSumLimits.holdersMax).map((pair) => {
        const [site, sealed] = tuple(pair, 2);
        return { site: placeOf(site), sealed: bytesOf(sealed, sealedShareBytes) };
      });
      return { run: bytesOf(run, runTagBytes), shares: ascending(pairs) };
    },
  };
}

function revealedOf(value: unknown): readonly RevealedShare[] {
  return ascending(
    listOf(value, secureSumLimits.holdersMax).map((pair) => {
      const [site, share] = tuple(pair, 2);
      return { site: placeOf(site), share: bytesOf(share, shareBytes) };
    }),
  );
}

function pairOf({ site, share }: RevealedShare): readonly [number, Uint8Array] {
  return [site, share];
}

function ascending<Item extends { readonly site: number }>(items: readonly Item[]): readonly Item[] {
  for (let index = 1; index < items.length; index += 1) {
    if ((items[index - 1] as Item).site >= (items[index] as Item).site) throw new DecodeError('sites out of order');
  }
  return items;
}

function placeOf(value: unknown): number {
  if (!Number.isInteger(value)) throw new DecodeError('not a place');
  const place = value as number; // checked above
  if (place < 0 || place >= secureSumLimits.sitesMax) throw new DecodeError('a place past the last');
  return place;
}

function bytesOf(value: unknown, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw new DecodeError('not bytes of that length');
  return value;
}

function listOf(value: unknown, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw new DecodeError('not a list of that length');
  return value;
}

function tuple(value: unknown, length: number): readonly unknown[] {
  const list = listOf(value, length);
  if (list.length !== length) throw new DecodeError('parts');
  return list;
}
