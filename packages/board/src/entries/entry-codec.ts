import { sha256, verifySignature } from '@pulsemesh/crypto';
import { concatBytes, decodeCbor, encodeCbor, type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import type { Author } from '../board.ts';
import { type AnyBoardEntry, type EntryKind, entryBytesMax } from '../entry.ts';
import type { EntryBodies } from './bodies.ts';
import { EntryRefusedError } from './errors.ts';
import { bodySchemas, entryKinds } from './schemas.ts';

const statement = new TextEncoder().encode('pulsemesh/entry/1\0');
const separator = Uint8Array.of(0);
const leafPrefix = Uint8Array.of(0);
const signatureBytes = 64;

/** What an author says: not yet an entry, since it has no place. */
export interface EntryDraft<Kind extends EntryKind = EntryKind> {
  readonly kind: Kind;
  readonly body: EntryBodies[Kind];
  /** Milliseconds since 1970. */
  readonly createdMs: number;
}

/**
 * The leaf of an entry: CBOR `[body, signature]`, where the body is the CBOR map `{v, kind, author, created, body}` and the signature is
 * over `pulsemesh/entry/1`, the board's origin and the body, each ended by a zero byte: an entry of one board is none of another.
 * @throws {EntryRefusedError} `body` and `size`.
 */
export function signEntry<Kind extends EntryKind>(draft: EntryDraft<Kind>, origin: string, author: Author): Uint8Array {
  const fields = {
    v: 1,
    kind: draft.kind,
    author: author.publicKey,
    created: draft.createdMs,
    body: checkedBody(draft.kind, draft.body),
  };
  const signed = encodeCbor(fields);
  const leaf = new Uint8Array(encodeCbor([signed, author.sign(messageOf(origin, signed))]));
  if (leaf.length > entryBytesMax) throw new EntryRefusedError('size');
  return leaf;
}

/** SHA-256 of the leaf after a zero byte (RFC 6962 §2.1), 64 hex digits. */
export function entryIdOf(leaf: Uint8Array): string {
  return toHex(sha256(concatBytes(leafPrefix, leaf)));
}

/**
 * Names what an author says regardless of when: two entries with one content key say the same thing, 64 hex digits.
 * @throws {EntryRefusedError} `body`.
 */
export function contentKeyOf<Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind], author: PeerId): string {
  return toHex(sha256(encodeCbor([kind, author, checkedBody(kind, body)])));
}

/**
 * The entry that `leaf` is at `index`, its signature and schema checked; whether its author may say so, says `EntryRules`.
 * @throws {EntryRefusedError} `size`, `form`, `kind`, `body`, `signature`.
 */
export function parseEntry(
  leaf: Uint8Array,
  place: { readonly index: number; readonly origin: string },
): AnyBoardEntry {
  return readEntry(leaf, place, true);
}

/** As {@link parseEntry}, of a leaf whose signature was checked before it was put where only this program writes. */
export function parseOwnEntry(
  leaf: Uint8Array,
  place: { readonly index: number; readonly origin: string },
): AnyBoardEntry {
  return readEntry(leaf, place, false);
}

function readEntry(
  leaf: Uint8Array,
  { index, origin }: { readonly index: number; readonly origin: string },
  isSignatureChecked: boolean,
): AnyBoardEntry {
  if (leaf.length > entryBytesMax) throw new EntryRefusedError('size');
  const { signed, signature, fields } = split(leaf);
  if (isSignatureChecked && !verifySignature(fields.author, messageOf(origin, signed), signature)) {
    throw new EntryRefusedError('signature');
  }
  const kind = entryKinds.find((one) => one === fields.kind);
  if (kind === undefined) throw new EntryRefusedError('kind');
  return {
    index,
    id: entryIdOf(leaf),
    leaf,
    author: fields.peer,
    kind,
    createdMs: fields.created,
    body: checkedBody(kind, fields.body),
  } as AnyBoardEntry; // the schema of `kind` made the body
}

interface Fields {
  readonly kind: string;
  readonly author: Uint8Array;
  readonly peer: PeerId;
  readonly created: number;
  readonly body: unknown;
}

function split(leaf: Uint8Array): {
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  readonly fields: Fields;
} {
  try {
    const outer = decodeCbor(leaf, { bytesMax: entryBytesMax, depthMax: 1 });
    if (!Array.isArray(outer) || outer.length !== 2) throw new TypeError('parts');
    const [signed, signature] = outer as readonly unknown[];
    if (!(signed instanceof Uint8Array)) throw new TypeError('body');
    if (!(signature instanceof Uint8Array) || signature.length !== signatureBytes) throw new TypeError('signature');
    return { signed, signature, fields: readFields(signed) };
  } catch (error) {
    throw new EntryRefusedError('form', { cause: error });
  }
}

function readFields(signed: Uint8Array): Fields {
  const map = decodeCbor(signed, { bytesMax: entryBytesMax, depthMax: 8 });
  if (typeof map !== 'object' || map === null || Object.keys(map).sort().join() !== 'author,body,created,kind,v') {
    throw new TypeError('fields');
  }
  const { v, kind, author, created, body } = map as Record<string, unknown>;
  if (v !== 1 || typeof kind !== 'string' || !(author instanceof Uint8Array)) throw new TypeError('fields');
  if (!Number.isSafeInteger(created) || (created as number) < 0) throw new TypeError('created');
  return { kind, author, peer: peerIdOfEd25519(author), created: created as number, body };
}

function messageOf(origin: string, signed: Uint8Array): Uint8Array {
  return concatBytes(statement, new TextEncoder().encode(origin), separator, signed);
}

function checkedBody<Kind extends EntryKind>(kind: Kind, body: unknown): EntryBodies[Kind] {
  const result = bodySchemas[kind].safeParse(body);
  if (result.success) return result.data;
  // Paths name fields, never what stands in them.
  throw new EntryRefusedError('body', { where: result.error.issues[0]?.path.map(String).join('.') ?? '' });
}
