import type { Random } from '@pulsemesh/base';
import { nonceBytes } from './aead.ts';
import { assertKey, hkdfSha256, hmacSha256 } from './hash.ts';
import { encodeSubtree, type SubtreeSpan } from './key-subtree.ts';
import { assertKind, childKey, hexOf, type SealPlace, subjectBytes, TreeLeaves } from './key-tree-leaves.ts';

export { type SealPlace, sealOverheadBytes } from './key-tree-leaves.ts';

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
  /**
   * The fewest nodes that open exactly the span, also what is sealed in it later; `openSubtree` reads them. Secret: whoever has the bytes
   * reads the span. 26 bytes, one for each kind, and 32 for each whole day (UTC) or single hour of each kind.
   * @throws {SubtreeLimitError}
   */
  subtree(span: SubtreeSpan): Uint8Array;
}

export interface KeyTreeOptions {
  /** Leaf keys kept ready, each a few hundred bytes; default 32. More hours than these cost a derivation each. */
  readonly leafKeysMax?: number;
}

/** The key tree of a 32-byte seed (copied). Nonces come from the operating system; one leaf key serves an hour, far from GCM's 2^32 messages. */
export function createKeyTree(seed: Uint8Array, options: KeyTreeOptions = {}): KeyTree {
  assertKey(seed, 'a seed');
  return new HkdfKeyTree(seed, options.leafKeysMax ?? 32);
}

class HkdfKeyTree implements KeyTree {
  readonly subject: Uint8Array;
  readonly subjectId: string;
  readonly #indexKey: Uint8Array;
  readonly #recordsKey: Uint8Array;
  readonly #leaves: TreeLeaves;

  constructor(seed: Uint8Array, leafKeysMax: number) {
    this.subject = hkdfSha256({ key: seed, info: 'pulsemesh/subject/1', length: subjectBytes });
    this.subjectId = hexOf(this.subject);
    this.#indexKey = hkdfSha256({ key: seed, info: 'pulsemesh/index/1', length: 32 });
    this.#recordsKey = hkdfSha256({ key: seed, info: 'pulsemesh/records/1', length: 32 });
    const leafKeyOf = (kind: number, hour: number) => {
      const dayKey = childKey(this.#kindKey(kind), 'day', Math.floor(hour / 24));
      return childKey(dayKey, 'hour', hour % 24);
    };
    this.#leaves = new TreeLeaves(this.subject, leafKeyOf, leafKeysMax);
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
    return this.#leaves.seal(place, plaintext, random.bytes(nonceBytes));
  }

  open(place: SealPlace, sealed: Uint8Array): Uint8Array {
    return this.#leaves.open(place, sealed);
  }

  subtree(span: SubtreeSpan): Uint8Array {
    return encodeSubtree(this.subject, span, (kind) => this.#kindKey(kind));
  }

  #kindKey(kind: number): Uint8Array {
    return childKey(this.#recordsKey, 'kind', kind);
  }
}
