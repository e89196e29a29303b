import {
  assert,
  Condition,
  type Counter,
  raceSignal,
  silentLogger,
  silentMeter,
  type WaitOptions,
} from '@pulsemesh/base';
import { StoreFailedError, type TableChange, type TableStore } from '@pulsemesh/store';
import { entryBytesMax } from '../entry.ts';
import { hashBytes, hashLeaf } from '../merkle/hash.ts';
import { proveConsistency, proveInclusion, rootOf, type SubtreeHash } from '../merkle/prove.ts';
import { formatCheckpoint } from '../notes/checkpoint.ts';
import { createNoteVerifier, type SigningKey, signNoteText } from '../notes/keys.ts';
import { formatNote } from '../notes/note.ts';
import { encodeBundle } from '../tiles/bundle.ts';
import { type TileName, tileWidth, tileWidthAt } from '../tiles/path.ts';
import {
  type AppendedLeaf,
  type BoardLog,
  type BoardLogDependencies,
  type BoardLogOptions,
  logLimits,
  type SignedCheckpoint,
} from './board-log.ts';
import { LeafRefusedError, LogBusyError, LogClosedError, LogDamagedError, LogFullError } from './errors.ts';
import { LogTables, putCheckpoint, putLeaf, putTile } from './log-tables.ts';
import { recoverLog } from './recover.ts';
import type { TreeEdge } from './tree-edge.ts';
import { TreeReader } from './tree-reader.ts';

/** Two logs over one store would each sign their own history. */
const storesInUse = new WeakSet<TableStore>();

/**
 * Opens the log that `store` holds, or begins it: its first checkpoint, of no leaves, is signed and durable then. Leaves that became
 * durable before a crash but under no checkpoint get one. The store's directory must be this process's alone (`lockDirectory`).
 * @throws {LogDamagedError} when the store holds another log, or its edge does not give the root that was signed; {StoreFullError};
 * {StoreFailedError}.
 */
export async function openBoardLog(
  options: BoardLogOptions,
  dependencies: BoardLogDependencies = {},
): Promise<BoardLog> {
  const { store } = options;
  assert(!storesInUse.has(store), 'a store is the store of one log');
  storesInUse.add(store);
  try {
    return await open(options, dependencies);
  } catch (error) {
    storesInUse.delete(store);
    throw error;
  }
}

async function open(options: BoardLogOptions, dependencies: BoardLogDependencies): Promise<BoardLog> {
  const tables = new LogTables(options.store);
  const verifier = createNoteVerifier(options.origin, options.signer.publicKey, 'ed25519');
  const { edge, checkpoint } = recoverLog(tables, verifier);
  const head = checkpoint ?? signEdge(edge, new TreeReader(tables), options);
  if (checkpoint === null) await tables.commit([putCheckpoint(head.note)]);
  const log = new StoredLog(options, dependencies, tables, edge, head);
  await log.settle();
  return log;
}

/** The signed checkpoint of all leaves of an edge. */
function signEdge(
  edge: TreeEdge,
  reader: TreeReader,
  { origin, signer }: { readonly origin: string; readonly signer: SigningKey },
): SignedCheckpoint {
  const root = rootOf(edge.size, (level, index) => reader.subtreeHash(edge, level, index)).slice();
  const text = formatCheckpoint({ origin, size: edge.size, root, extensions: [] });
  const note = formatNote({ text, signatures: [signNoteText(text, origin, signer)] });
  return { size: edge.size, root, text, note };
}

/** A caller's leaf on its way. */
interface WaitingLeaf {
  readonly name: string;
  readonly leaf: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly settled: PromiseWithResolvers<AppendedLeaf>;
}

/** A caller whose leaf is durable, and who is answered once a checkpoint covers it. */
interface CoveredLeaf extends WaitingLeaf {
  readonly index: number;
  readonly isNew: boolean;
}

/** What one commit writes. */
interface Batch {
  readonly leaves: readonly CoveredLeaf[];
  readonly changes: readonly TableChange[];
  readonly edge: TreeEdge;
}

/**
 * Each commit holds the leaves that wait and the checkpoint of those that the commit before made durable: a checkpoint is signed only for
 * what is durable, and shown only once it is durable itself, at one flush a commit.
 */
class StoredLog implements BoardLog {
  readonly origin: string;
  readonly #options: BoardLogOptions;
  readonly #dependencies: BoardLogDependencies;
  readonly #tables: LogTables;
  readonly #reader: TreeReader;
  readonly #leavesMax: number;
  readonly #appended: Counter;
  readonly #commits: Counter;
  readonly #handlers = new Set<(checkpoint: SignedCheckpoint) => void>();
  /** Of the leaves that are durable. */
  #edge: TreeEdge;
  #checkpoint: SignedCheckpoint;
  #waiting: WaitingLeaf[] = [];
  #waitingBytes = 0;
  /** Leaves of the commit under way. */
  #flying = 0;
  #covered: CoveredLeaf[] = [];
  /** All callers that are not answered, by their leaf's hash. */
  readonly #pending = new Map<string, WaitingLeaf>();
  #writing: Promise<void> | null = null;
  #state: 'open' | 'closed' | 'failed' = 'open';

  constructor(
    options: BoardLogOptions,
    dependencies: BoardLogDependencies,
    tables: LogTables,
    edge: TreeEdge,
    checkpoint: SignedCheckpoint,
  ) {
    const meter = dependencies.meter ?? silentMeter;
    this.origin = options.origin;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#tables = tables;
    this.#reader = new TreeReader(tables);
    this.#leavesMax = options.leavesMax ?? logLimits.leavesMax;
    this.#appended = meter.counter('board_log_leaves_total', 'Leaves appended to the log.');
    this.#commits = meter.counter('board_log_commits_total', 'Commits of the log.');
    this.#edge = edge;
    this.#checkpoint = checkpoint;
  }

  get checkpoint(): SignedCheckpoint {
    return this.#checkpoint;
  }

  /** Signs what is durable and not signed yet. Without room for it, that waits for the next leaf; any other failure rejects. */
  async settle(): Promise<void> {
    if (this.#edge.size === this.#checkpoint.size) return;
    await this.#write().catch((error: unknown) => {
      if (this.#state === 'failed') throw error;
    });
  }

  async append(leaf: Uint8Array, options: WaitOptions = {}): Promise<AppendedLeaf> {
    this.#assertUsable();
    if (leaf.length === 0 || leaf.length > entryBytesMax) throw new LeafRefusedError(leaf.length);
    const leafHash = hashLeaf(leaf);
    const name = nameOf(leafHash);
    const pending = this.#pending.get(name);
    if (pending !== undefined) return { ...(await raceSignal(pending.settled.promise, options.signal)), isNew: false };
    const index = this.#tables.indexOf(leafHash);
    if (index !== null && index < this.#checkpoint.size) return { index, leafHash, isNew: false };
    const waiting = {
      name,
      leaf: index === null ? leaf.slice() : leaf,
      leafHash,
      settled: Promise.withResolvers<AppendedLeaf>(),
    };
    if (index === null) this.#enqueue(waiting);
    else this.#covered.push({ ...waiting, index, isNew: false });
    this.#pending.set(name, waiting);
    this.#writing ??= this.#writeAll();
    return raceSignal(waiting.settled.promise, options.signal);
  }

  leaf(index: number): Uint8Array | null {
    return isBelow(index, this.#checkpoint.size) ? (this.#tables.leaf(index) ?? this.#missing('leaf-missing')) : null;
  }

  indexOf(leafHash: Uint8Array): number | null {
    const index = leafHash.length === hashBytes ? this.#tables.indexOf(leafHash) : null;
    return index !== null && index < this.#checkpoint.size ? index : null;
  }

  tile({ level, index, width }: TileName): Uint8Array | null {
    if (!isBelow(index, Number.MAX_SAFE_INTEGER) || !isBelow(width - 1, tileWidth)) return null;
    if (tileWidthAt(level, index, this.#checkpoint.size) < width) return null;
    if (level === 'entries') {
      const leaves = this.#tables.leaves(index * tileWidth, index * tileWidth + width);
      return leaves.length === width ? encodeBundle(leaves) : this.#missing('leaf-missing');
    }
    const onEdge = this.#edge.tileAt(level, index)?.tile(width);
    return onEdge ?? this.#tables.tile(level, index)?.slice(0, width * hashBytes) ?? this.#missing('tile-missing');
  }

  proveInclusion(index: number, size: number): readonly Uint8Array[] | null {
    if (!isBelow(size, this.#checkpoint.size + 1) || !isBelow(index, size)) return null;
    return copies(proveInclusion(index, size, this.#subtreeHash));
  }

  proveConsistency(oldSize: number, newSize: number): readonly Uint8Array[] | null {
    if (!isBelow(newSize, this.#checkpoint.size + 1) || !isBelow(oldSize, newSize + 1)) return null;
    return copies(proveConsistency(oldSize, newSize, this.#subtreeHash));
  }

  onCheckpoint(handler: (checkpoint: SignedCheckpoint) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'open') this.#state = 'closed';
    await this.#writing;
    storesInUse.delete(this.#options.store);
  }

  readonly #subtreeHash: SubtreeHash = (level, index) => this.#reader.subtreeHash(this.#edge, level, index);

  #enqueue(waiting: WaitingLeaf): void {
    const { leaf } = waiting;
    if (this.#edge.size + this.#flying + this.#waiting.length >= this.#leavesMax)
      throw new LogFullError(this.#leavesMax);
    if (this.#waiting.length >= logLimits.waitingLeavesMax) throw new LogBusyError('waitingLeavesMax');
    if (this.#waitingBytes + leaf.length > logLimits.waitingBytesMax) throw new LogBusyError('waitingBytesMax');
    this.#waiting.push(waiting);
    this.#waitingBytes += leaf.length;
  }

  /** Never rejects: whoever waits is answered. */
  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is appended in the same turn shares the commit
    while (this.#waiting.length > 0 || this.#covered.length > 0) await this.#write().catch(() => {});
    this.#writing = null;
  }

  /** One commit: what waits, and the checkpoint of what is durable. Answers, or rejects all that it was about, and with why. */
  async #write(): Promise<void> {
    const covered = this.#covered;
    this.#covered = [];
    const batch = this.#takeBatch();
    this.#flying = batch.leaves.length;
    try {
      if (this.#state === 'failed') throw new StoreFailedError('an earlier commit of the log failed');
      const isBehind = this.#edge.size > this.#checkpoint.size;
      const head = isBehind ? signEdge(this.#edge, this.#reader, this.#options) : this.#checkpoint;
      await this.#tables.commit(isBehind ? [...batch.changes, putCheckpoint(head.note)] : batch.changes);
      this.#commits.add();
      this.#edge = batch.edge;
      this.#flying = 0;
      this.#covered = [...batch.leaves, ...this.#covered];
      if (isBehind) this.#show(head);
      for (const leaf of covered) this.#answer(leaf);
    } catch (error) {
      this.#reject([...covered, ...batch.leaves], error);
      throw error;
    } finally {
      this.#flying = 0;
    }
  }

  #takeBatch(): Batch {
    const edge = this.#edge.copy();
    const leaves: CoveredLeaf[] = [];
    const changes: TableChange[] = [];
    let bytes = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.leaf.length;
      if (leaves.length === logLimits.batchLeavesMax || (leaves.length > 0 && bytes > logLimits.batchBytesMax)) break;
      const index = edge.size;
      changes.push(...putLeaf(index, waiting.leaf, waiting.leafHash), ...edge.append(waiting.leafHash).map(putTile));
      leaves.push({ ...waiting, index, isNew: true });
    }
    this.#waiting = this.#waiting.slice(leaves.length);
    for (const { leaf } of leaves) this.#waitingBytes -= leaf.length;
    return { leaves, changes, edge };
  }

  #show(checkpoint: SignedCheckpoint): void {
    this.#appended.add(checkpoint.size - this.#checkpoint.size);
    this.#checkpoint = checkpoint;
    for (const handler of [...this.#handlers]) handler(checkpoint);
  }

  #answer({ name, index, leafHash, isNew, settled }: CoveredLeaf): void {
    this.#pending.delete(name);
    settled.resolve({ index, leafHash, isNew });
  }

  #reject(leaves: readonly CoveredLeaf[], error: unknown): void {
    // Full or busy, the store changed nothing. Else what it holds is unknown until it is read again, and what would be signed with it.
    if (this.#state !== 'failed' && !(error instanceof Condition && error.retryable)) {
      this.#state = 'failed';
      (this.#dependencies.logger ?? silentLogger).error("the board's log failed; it must be opened again");
    }
    for (const { name, settled } of leaves) {
      this.#pending.delete(name);
      settled.reject(error);
    }
  }

  #missing(damage: 'leaf-missing' | 'tile-missing'): never {
    throw new LogDamagedError(damage, this.#checkpoint.size);
  }

  #assertUsable(): void {
    if (this.#state === 'closed') throw new LogClosedError();
    if (this.#state === 'failed') throw new StoreFailedError('an earlier commit of the log failed');
  }
}

function isBelow(value: number, limit: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < limit;
}

/** A hash as the key of a map. */
function nameOf(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString('latin1');
}

/** Proofs are made of views into the tree. */
function copies(hashes: readonly Uint8Array[]): Uint8Array[] {
  return hashes.map((hash) => hash.slice());
}
