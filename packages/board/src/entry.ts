import type { PeerId } from '@pulsemesh/wire';
import type { EntryBodies } from './entries/bodies.ts';

/** What an entry is about; each kind has its own schema. */
export type EntryKind = keyof EntryBodies;

/** One entry of a board, its signature and schema checked. */
export interface BoardEntry<Kind extends EntryKind = EntryKind> {
  /** Place in the log, from 0. */
  readonly index: number;
  /** SHA-256 of the leaf (RFC 6962: 0x00 before it), 64 hex digits: names the entry wherever others refer to it. */
  readonly id: string;
  /** As received: CBOR `[body, signature]`, at most {@link entryBytesMax} bytes. */
  readonly leaf: Uint8Array;
  /** Whoever signed it: an Ed25519 peer id. */
  readonly author: PeerId;
  readonly kind: Kind;
  /** The author's clock, milliseconds since 1970. */
  readonly createdMs: number;
  readonly body: EntryBodies[Kind];
}

/** An entry of some kind, with the type of its body following from its `kind`. */
export type AnyBoardEntry = { readonly [Kind in EntryKind]: BoardEntry<Kind> }[EntryKind];

/** Bundles of tiles prefix each entry with a length of 16 bits; what is longer goes elsewhere and is named by its hash. */
export const entryBytesMax = 60 * 1024;
