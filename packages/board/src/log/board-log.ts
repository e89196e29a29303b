import type { Logger, Meter, WaitOptions } from '@pulsemesh/base';
import type { TableStore } from '@pulsemesh/store';
import type { SigningKey } from '../notes/keys.ts';
import type { TileName } from '../tiles/path.ts';

/** A leaf that is in the log for good, under a checkpoint that was signed and is durable. */
export interface AppendedLeaf {
  readonly index: number;
  /** RFC 6962: 32 bytes. */
  readonly leafHash: Uint8Array;
  /** False where the log had the same leaf already. */
  readonly isNew: boolean;
}

/** A checkpoint that the log has shown: it never shows another root for this size, nor a smaller one after it. */
export interface SignedCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  /** The note's text, which witnesses cosign. */
  readonly text: string;
  /** The signed note, with the log's signature alone. */
  readonly note: Uint8Array;
}

/** An append-only log of opaque leaves (RFC 6962), durable, whose head is signed. */
export interface BoardLog extends AsyncDisposable {
  /** Names the log in its checkpoints. */
  readonly origin: string;
  /** The newest that was shown; everything below is answered for its size or smaller ones. */
  readonly checkpoint: SignedCheckpoint;
  /**
   * Appends a leaf of 1 … {@link entryBytesMax} bytes; resolves once it is durable and under a checkpoint that is. Callers that wait
   * together share commits. The same leaf again gives the first index. Aborting stops the waiting, not the appending.
   * @throws {LeafRefusedError} for its length · {LogBusyError} when too many wait · {LogFullError} · {StoreFullError} · {StoreFailedError}
   * · {LogClosedError}; what was not appended changed nothing, and may be repeated.
   */
  append(leaf: Uint8Array, options?: WaitOptions): Promise<AppendedLeaf>;
  /** The leaf at `index`; null where there is none yet. */
  leaf(index: number): Uint8Array | null;
  /** Where the leaf with this hash is; null where it is not. */
  indexOf(leafHash: Uint8Array): number | null;
  /** The resource of a tiled log; null where the tree has no such, or not that wide. */
  tile(name: TileName): Uint8Array | null;
  /** Inclusion proof of a leaf in the tree of `size` leaves; null where index < size <= checkpoint.size does not hold. */
  proveInclusion(index: number, size: number): readonly Uint8Array[] | null;
  /** Consistency proof; null where oldSize <= newSize <= checkpoint.size does not hold. */
  proveConsistency(oldSize: number, newSize: number): readonly Uint8Array[] | null;
  /** Called after each new checkpoint, until disposed. What it throws is a bug. */
  onCheckpoint(handler: (checkpoint: SignedCheckpoint) => void): Disposable;
}

/** What a log is made of. */
export interface BoardLogOptions {
  /** Holds the log in tables of its own, named `board/…`; the caller closes it after the log. */
  readonly store: TableStore;
  /** Signs checkpoints, under the name `origin`. */
  readonly signer: SigningKey;
  /** A name without spaces, best an address without its scheme: `board.example/1`. */
  readonly origin: string;
  /** Default {@link logLimits}.leavesMax. */
  readonly leavesMax?: number;
}

export interface BoardLogDependencies {
  readonly logger?: Logger;
  readonly meter?: Meter;
}

/** Limits of a {@link BoardLog}. */
export const logLimits = {
  /** Leaves of one log; past it {@link LogFullError}. */
  leavesMax: 2 ** 40,
  /** Leaves that wait for their commit at one time, and their bytes; past either {@link LogBusyError}. */
  waitingLeavesMax: 4096,
  waitingBytesMax: 32 * 1024 * 1024,
  /** Leaves of one commit, and their bytes; what waits beyond goes with the next. */
  batchLeavesMax: 1024,
  batchBytesMax: 8 * 1024 * 1024,
  /** Full tiles kept expanded for proofs, 16 KiB each; the one asked for longest ago is forgotten. */
  tilesKeptMax: 1_024,
} as const;
