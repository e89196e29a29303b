import { assert, type Random } from '@pulsemesh/base';
import { primitives } from '#primitives';
import { decryptFrom, encryptInto, nonceBytes } from './aead.ts';
import { SealBrokenError } from './errors.ts';
import { assertKey, hkdfSha256, hmacSha256 } from './hash.ts';
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

/**
 * All keys of one patient, derived from one seed by HKDF-SHA-256: the subject id, the record ids, and a tree of
 * sealing keys seed → kind → day → hour, one leaf for each kind and hour. A node of the tree opens what lies
 * beneath it and says nothing of its parent, so that an interval can be released without the rest.
 */
export interface KeyTree {
  /** 16 bytes that name the patient in the network and say nothing about who it is. */
  readonly subject: Uint8Array;
  /** {@link subject} in lower-case hex. */
  readonly subjectId: string;
  /** The 16-byte id of the record called `name`: the same for whoever has the seed, opaque to all others. */
  recordId(kind: number, name: string): Uint8Array;
  /** AES-256-GCM under the leaf key of the place, bound to subject and place. {@link sealOverheadBytes} longer than the plaintext. */
  seal(place: SealPlace, plaintext: Uint8Array, random: Random): Uint8Array;
  /** @throws {SealBrokenError} when altered, or sealed for another subject or place. */
  open(place: SealPlace, sealed: Uint8Array): Uint8Array;
}

/** How much longer than its plaintext a sealed record is: version, nonce, tag. */
export const sealOverheadBytes = 1 + nonceBytes + 16;

export interface KeyTreeOptions {
  /** Leaf keys kept ready, each a few hundred bytes; default 32. More hours than these cost a derivation each. */
  readonly leafKeysMax?: number;
}

/** The key tree of a 32-byte seed (copied). Nonces come from the operating system; one leaf key serves an hour, far from GCM's 2^32 messages. */
export function createKeyTree(seed: Uint8Array, options: KeyTreeOptions = {}): KeyTree {
  assertKey(seed, 'a seed');
  return new HkdfKeyTree(seed, options.leafKeysMax ?? 32);
}

const versionHead = Uint8Array.of(1);
const secondsPerHour = 3600;
const additionalBytes = 1 + 16 + 1 + 8 + 16 + 4;

class HkdfKeyTree implements KeyTree {
  readonly subject: Uint8Array;
  readonly subjectId: string;
  readonly #indexKey: Uint8Array;
  readonly #recordsKey: Uint8Array;
  readonly #leafKeys: LruMap<number, AeadKey>;
  // Written anew for each seal and open; both are synchronous, so they never meet in it.
  readonly #additional: Uint8Array;
  readonly #additionalView: DataView;

  constructor(seed: Uint8Array, leafKeysMax: number) {
    this.subject = hkdfSha256({ key: seed, info: 'pulsemesh/subject/1', length: 16 });
    this.subjectId = hexOf(this.subject);
    this.#indexKey = hkdfSha256({ key: seed, info: 'pulsemesh/index/1', length: 32 });
    this.#recordsKey = hkdfSha256({ key: seed, info: 'pulsemesh/records/1', length: 32 });
    this.#leafKeys = new LruMap(leafKeysMax);
    this.#additional = new Uint8Array(additionalBytes);
    this.#additional.set(versionHead);
    this.#additional.set(this.subject, 1);
    this.#additionalView = new DataView(this.#additional.buffer);
  }

  recordId(kind: number, name: string): Uint8Array {
    assertKind(kind);
    const nameBytes = new TextEncoder().encode(name);
    const input = new Uint8Array(1 + nameBytes.length);
    input[0] = kind;
    input.set(nameBytes, 1);
    return hmacSha256(this.#indexKey, input).slice(0, 16);
  }

  seal(place: SealPlace, plaintext: Uint8Array, random: Random): Uint8Array {
    const key = this.#leafKey(place);
    return encryptInto(versionHead, key, random.bytes(nonceBytes), this.#additionalFor(place), plaintext);
  }

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
    return this.#leafKeys.getOrCreate(hour * 256 + kind, () => {
      const kindKey = childKey(this.#recordsKey, 'kind', kind);
      const dayKey = childKey(kindKey, 'day', Math.floor(hour / 24));
      return primitives.importAead('aes-256-gcm', childKey(dayKey, 'hour', hour % 24));
    });
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

function childKey(parent: Uint8Array, level: string, index: number): Uint8Array {
  return hkdfSha256({ key: parent, info: `pulsemesh/${level}/${index}`, length: 32 });
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function assertKind(kind: number): void {
  assert(Number.isInteger(kind) && kind >= 0 && kind < 256, 'a kind is 0 … 255');
}
