import { assert } from '@pulsemesh/base';
import * as primitives from '#primitives';
import { decryptFrom, encryptInto, nonceBytes } from './aead.ts';
import { SealBrokenError } from './errors.ts';
import { hkdfSha256 } from './hash.ts';
import { LruMap } from './lru-map.ts';
import type { AeadKey } from './primitives/primitives.ts';

/** Where a sealed record belongs: opened with any other values it does not open. */
export interface SealPlace {
  /** 0 … 255, the record's kind. */
  readonly kind: number;
  /** Start of the record's bucket, whole seconds since 1970. Its hour decides the key. */
  readonly bucketSeconds: number;
  /** 16 bytes, the record's id. */
  readonly id: Uint8Array;
  /** 0 … 2^31-1. */
  readonly revision: number;
}

/** How much longer than its plaintext a sealed record is: version, nonce, tag. */
export const sealOverheadBytes = 1 + nonceBytes + 16;

/** Bytes of a subject and of every key of a tree. */
export const subjectBytes = 16;
export const nodeKeyBytes = 32;
export const hoursPerDay = 24;

const versionHead = Uint8Array.of(1);
const secondsPerHour = 3600;
const additionalBytes = 1 + subjectBytes + 1 + 8 + 16 + 4;

/** Seals and opens under the leaf keys of one subject's tree, however these are come by. */
export class TreeLeaves {
  readonly #leafKeyOf: (kind: number, hour: number) => Uint8Array;
  readonly #leafKeys: LruMap<number, AeadKey>;
  // Written anew for each seal and open; both are synchronous, so they never meet in it.
  readonly #additional: Uint8Array;
  readonly #additionalView: DataView;

  /** @param leafKeyOf 32 bytes for a kind and an hour since 1970; may throw, then nothing is sealed or opened. */
  constructor(subject: Uint8Array, leafKeyOf: (kind: number, hour: number) => Uint8Array, leafKeysMax: number) {
    this.#leafKeyOf = leafKeyOf;
    this.#leafKeys = new LruMap(leafKeysMax);
    this.#additional = new Uint8Array(additionalBytes);
    this.#additional.set(versionHead);
    this.#additional.set(subject, 1);
    this.#additionalView = new DataView(this.#additional.buffer);
  }

  seal(place: SealPlace, plaintext: Uint8Array, nonce: Uint8Array): Uint8Array {
    return encryptInto(versionHead, this.#leafKey(place), nonce, this.#additionalFor(place), plaintext);
  }

  /** @throws {SealBrokenError} */
  open(place: SealPlace, sealed: Uint8Array): Uint8Array {
    if (sealed[0] !== versionHead[0]) throw new SealBrokenError('unknown version');
    return decryptFrom(versionHead.length, this.#leafKey(place), this.#additionalFor(place), sealed);
  }

  #leafKey({ kind, bucketSeconds }: SealPlace): AeadKey {
    assertKind(kind);
    assert(
      Number.isSafeInteger(bucketSeconds) && bucketSeconds >= 0,
      'a bucket is a whole number of seconds since 1970',
    );
    const hour = Math.floor(bucketSeconds / secondsPerHour);
    // Exact: hours stay under 2^42.
    return this.#leafKeys.getOrCreate(hour * 256 + kind, () =>
      primitives.importAead('aes-256-gcm', this.#leafKeyOf(kind, hour)),
    );
  }

  #additionalFor(place: SealPlace): Uint8Array {
    assert(place.id.length === 16, 'a record id is 16 bytes');
    assert(
      Number.isInteger(place.revision) && place.revision >= 0 && place.revision < 2 ** 31,
      'a revision is 0 … 2^31-1',
    );
    const view = this.#additionalView;
    view.setUint8(17, place.kind);
    view.setUint32(18, Math.floor(place.bucketSeconds / 2 ** 32));
    view.setUint32(22, place.bucketSeconds >>> 0);
    this.#additional.set(place.id, 26);
    view.setUint32(42, place.revision);
    return this.#additional;
  }
}

/** The key of a node beneath `parent`. */
export function childKey(parent: Uint8Array, level: 'kind' | 'day' | 'hour', index: number): Uint8Array {
  return hkdfSha256({ key: parent, info: `pulsemesh/${level}/${index}`, length: nodeKeyBytes });
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function assertKind(kind: number): void {
  assert(Number.isInteger(kind) && kind >= 0 && kind < 256, 'a kind is 0 … 255');
}
