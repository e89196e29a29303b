import { equalBytes } from '@pulsemesh/wire';
import { hashBytes, hashLeaf } from '../merkle/hash.ts';
import { rootOf } from '../merkle/prove.ts';
import { type Checkpoint, parseCheckpoint } from '../notes/checkpoint.ts';
import { type NoteVerifier, verifyNoteSignature } from '../notes/keys.ts';
import { parseNote } from '../notes/note.ts';
import { tileWidth } from '../tiles/path.ts';
import type { SignedCheckpoint } from './board-log.ts';
import { LogDamagedError } from './errors.ts';
import type { LogTables } from './log-tables.ts';
import { TileNodes } from './tile-nodes.ts';
import { TreeEdge } from './tree-edge.ts';
import { TreeReader } from './tree-reader.ts';

/** What a log's store was left with. */
export interface RecoveredLog {
  /** Of all leaves that are durable: as many as the checkpoint has, or more when the process ended before it signed again. */
  readonly edge: TreeEdge;
  /** Null where the store is new. */
  readonly checkpoint: SignedCheckpoint | null;
}

/**
 * Reads a log's head and its tree's edge, and checks one by the other: leaves of the last tile and all full tiles that the edge rests on
 * are hashed again, and must give the root that was signed.
 * @throws {LogDamagedError} where they do not, or are another log's.
 */
export function recoverLog(tables: LogTables, verifier: NoteVerifier): RecoveredLog {
  const note = tables.checkpoint();
  const size = tables.countLeaves();
  if (size === null) throw new LogDamagedError('leaf-missing', 0);
  if (note === undefined) {
    if (size > 0) throw new LogDamagedError('checkpoint-missing', size);
    return { edge: new TreeEdge(0, []), checkpoint: null };
  }
  const checkpoint = readCheckpoint(note, verifier, size);
  if (checkpoint.size > size) throw new LogDamagedError('leaves-missing', size);
  const edge = recoverEdge(tables, size);
  const reader = new TreeReader(tables);
  const root = rootOf(checkpoint.size, (level, index) => reader.subtreeHash(edge, level, index));
  if (!equalBytes(root, checkpoint.root)) throw new LogDamagedError('root-differs', size);
  return { edge, checkpoint };
}

function readCheckpoint(note: Uint8Array, verifier: NoteVerifier, leaves: number): SignedCheckpoint {
  const { text, signatures, checkpoint } = parsed(note, leaves);
  if (checkpoint.origin !== verifier.name) throw new LogDamagedError('another-origin', leaves);
  const own = signatures.find(({ name, keyId }) => name === verifier.name && keyId === verifier.keyId);
  if (own === undefined) throw new LogDamagedError('another-key', leaves);
  if (verifyNoteSignature(text, own, verifier) === null) throw new LogDamagedError('checkpoint-signature', leaves);
  return { size: checkpoint.size, root: checkpoint.root, text, note };
}

function parsed(note: Uint8Array, leaves: number): ReturnType<typeof parseNote> & { readonly checkpoint: Checkpoint } {
  try {
    const { text, signatures } = parseNote(note);
    return { text, signatures, checkpoint: parseCheckpoint(text) };
  } catch {
    throw new LogDamagedError('checkpoint-malformed', leaves);
  }
}

/** The partial tiles of a tree of `size` leaves: of level 0 from the leaves, above from the full tiles below. */
export function recoverEdge(tables: LogTables, size: number): TreeEdge {
  const tiles: (TileNodes | undefined)[] = [];
  for (let level = 0; tileWidth ** level <= size; level += 1) {
    const hashes = Math.floor(size / tileWidth ** level);
    const start = hashes - (hashes % tileWidth);
    tiles.push(hashes === start ? undefined : nodesOf(hashesOf(tables, level, start, hashes, size)));
  }
  return new TreeEdge(size, tiles);
}

/** The hashes of `level` from `start` until `end`, fewer than a tile has. */
function hashesOf(tables: LogTables, level: number, start: number, end: number, size: number): Uint8Array[] {
  if (level === 0) return tables.leaves(start, end).map(hashLeaf);
  return Array.from({ length: end - start }, (_, place) => {
    const tile = tables.tile(level - 1, start + place);
    if (tile?.length !== tileWidth * hashBytes) throw new LogDamagedError('tile-missing', size);
    return TileNodes.expand(tile).root();
  });
}

function nodesOf(hashes: readonly Uint8Array[]): TileNodes {
  // An edge of its own climbs the rows as appending does.
  const edge = new TreeEdge(0, []);
  for (const hash of hashes) edge.append(hash);
  const nodes = edge.tileAt(0, 0);
  if (nodes === undefined) throw new RangeError('a partial tile has hashes');
  return nodes;
}
