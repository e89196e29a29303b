import { type Clock, raceSignal, sleep, type WaitOptions } from '@pulsemesh/base';
import { equalBytes, type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import type { Author, Board, PublishedEntry } from '../board.ts';
import { EntryBook } from '../client/entry-book.ts';
import { BoardClosedError, BoardLiedError, BoardRefusedError, BoardUnreachableError } from '../client/errors.ts';
import type { EntryBodies } from '../entries/bodies.ts';
import { contentKeyOf, entryIdOf, parseEntry, signEntry } from '../entries/entry-codec.ts';
import type { EntryRuleTerms } from '../entries/entry-rules.ts';
import { EntryRefusedError } from '../entries/errors.ts';
import type { AnyBoardEntry, BoardEntry, EntryKind } from '../entry.ts';
import { hashLeaf } from '../merkle/hash.ts';
import { LeafTree } from '../merkle/leaf-tree.ts';
import { formatCheckpoint } from '../notes/checkpoint.ts';
import { createNoteVerifier, type NoteVerifier, signNoteText } from '../notes/keys.ts';
import { formatNote } from '../notes/note.ts';
import type { BoardPolicy } from '../receipt/policy.ts';
import { formatReceipt } from '../receipt/receipt.ts';
import { testAuthor } from './sample-entries.ts';

export interface MemoryBoardOptions extends Partial<EntryRuleTerms> {
  /** What entries are signed for; default `board.test/memory`. */
  readonly origin?: string;
  /** How long until a reader sees what another published; default 0: at once. */
  readonly delayMs?: number;
  /** When given, only these may publish. */
  readonly admitted?: readonly PeerId[];
}

export interface MemoryBoardDependencies {
  readonly clock: Clock;
}

/** What a reader saw: how many entries, and the root of their tree, hex. */
export interface MemoryHead {
  readonly size: number;
  readonly root: string;
}

/** One reader of a board in memory. Disposing it closes this reader only. */
export interface MemoryReader extends Board {
  /** True: refreshing and publishing reject with {@link BoardUnreachableError}, nothing new arrives; false: it catches up. */
  setUnreachable(isUnreachable: boolean): void;
  head(): MemoryHead;
  /**
   * Compares with what another reader saw, as gossip does: when the board showed them different things, both refuse all from here on.
   * @throws {BoardLiedError}
   */
  compare(other: MemoryReader): void;
}

/** A board in memory, with real signatures, schemas and rules; itself its first reader. */
export interface MemoryBoard extends MemoryReader {
  readonly origin: string;
  /** What its receipts verify under: the board's key, no witnesses. */
  readonly policy: BoardPolicy;
  /** Another who follows the same log. */
  reader(): MemoryReader;
  /** The same board lying: from here on whoever reads the fork is shown other entries, under the same origin and key. */
  fork(): MemoryBoard;
  /** Adds bytes as they are, past schemas, signatures and rules: readers must skip what is no entry. */
  addLeaf(leaf: Uint8Array): void;
}

const boardKey = testAuthor('the board in memory');

/** Makes a {@link MemoryBoard} for tests and simulation: no sockets, no disk, time from `clock`. Real entries,
 * tree, checkpoints and receipts; no witnesses. */
export function createMemoryBoard(options: MemoryBoardOptions, dependencies: MemoryBoardDependencies): MemoryBoard {
  return boardOver(new MemoryLog(options, []), dependencies);
}

/** The log itself: leaves in order, checked as a board checks them. */
class MemoryLog {
  readonly options: MemoryBoardOptions;
  readonly origin: string;
  readonly leaves: Uint8Array[];
  readonly tree = new LeafTree();
  readonly verifier: NoteVerifier;
  readonly listeners = new Set<() => void>();
  readonly #places = new Map<string, number>();
  readonly #book: EntryBook;
  readonly #admitted: ReadonlySet<PeerId> | null;

  constructor(options: MemoryBoardOptions, leaves: readonly Uint8Array[]) {
    this.options = options;
    this.origin = options.origin ?? 'board.test/memory';
    this.leaves = [];
    this.verifier = createNoteVerifier(this.origin, boardKey.publicKey, 'ed25519');
    this.#book = new EntryBook(termsOf(options));
    this.#admitted = options.admitted === undefined ? null : new Set(options.admitted);
    for (const leaf of leaves) this.#append(leaf);
  }

  /** Its place; that of the first, when it is there already. */
  add(leaf: Uint8Array): number {
    const known = this.#places.get(entryIdOf(leaf));
    if (known !== undefined) return known;
    const entry = parseEntry(leaf, { index: this.leaves.length, origin: this.origin });
    if (this.#admitted !== null && !this.#admitted.has(entry.author)) {
      throw new BoardRefusedError('not-admitted', 'its author is not admitted');
    }
    const refusal = this.#book.refusalOf(entry);
    if (refusal !== null) throw new EntryRefusedError(refusal);
    return this.#append(leaf);
  }

  addUnchecked(leaf: Uint8Array): void {
    this.#append(leaf);
  }

  /** The signed checkpoint of the first `size` leaves. */
  note(size: number): Uint8Array {
    const text = formatCheckpoint({ origin: this.origin, size, root: this.tree.root(size), extensions: [] });
    return formatNote({ text, signatures: [signNoteText(text, this.origin, boardKey)] });
  }

  #append(leaf: Uint8Array): number {
    const index = this.leaves.length;
    const id = entryIdOf(leaf);
    this.leaves.push(leaf);
    this.tree.append(hashLeaf(leaf));
    if (!this.#places.has(id)) this.#places.set(id, index);
    const entry = readable(leaf, index, this.origin);
    if (entry !== null) this.#book.take(entry);
    for (const listener of [...this.listeners]) listener();
    return index;
  }
}

function termsOf({ authorities = [], cardHolder }: MemoryBoardOptions): EntryRuleTerms {
  return { authorities, ...(cardHolder === undefined ? {} : { cardHolder }) };
}

function readable(leaf: Uint8Array, index: number, origin: string): AnyBoardEntry | null {
  try {
    return parseEntry(leaf, { index, origin });
  } catch (error) {
    if (error instanceof EntryRefusedError) return null;
    throw error;
  }
}

class Reader implements MemoryReader {
  readonly #log: MemoryLog;
  readonly #clock: Clock;
  readonly #book: EntryBook;
  /** Of this reader's own entries and those of others, by what they say. */
  readonly #said = new Map<string, number>();
  readonly #listener: () => void;
  readonly #closing = new AbortController();
  #size = 0;
  #isUnreachable = false;
  #lie: BoardLiedError | null = null;

  constructor(log: MemoryLog, { clock }: MemoryBoardDependencies) {
    this.#log = log;
    this.#clock = clock;
    this.#book = new EntryBook(termsOf(log.options));
    const { delayMs = 0 } = log.options;
    this.#listener = () => {
      if (delayMs === 0) this.#catchUp();
      else clock.setTimer(() => this.#catchUp(), delayMs);
    };
    log.listeners.add(this.#listener);
    this.#catchUp();
  }

  get size(): number {
    return this.#size;
  }

  entries<Kind extends EntryKind>(kind: Kind): readonly BoardEntry<Kind>[] {
    return this.#book.entries(kind);
  }

  entry(id: string): AnyBoardEntry | null {
    return this.#book.entry(id);
  }

  onEntry(handler: (entry: AnyBoardEntry) => void): Disposable {
    return this.#book.onEntry(handler);
  }

  async refresh(options: WaitOptions = {}): Promise<void> {
    await this.#passTime(options);
    this.#catchUp();
  }

  async publish<Kind extends EntryKind>(
    kind: Kind,
    body: EntryBodies[Kind],
    author: Author,
    options: WaitOptions = {},
  ): Promise<PublishedEntry> {
    await this.#passTime(options);
    this.#catchUp();
    const known = this.#said.get(contentKeyOf(kind, body, peerIdOfEd25519(author.publicKey)));
    if (known !== undefined) return this.#published(known);
    const leaf = signEntry({ kind, body, createdMs: this.#clock.now() }, this.#log.origin, author);
    const index = this.#log.add(leaf);
    this.#catchUp();
    return this.#published(index);
  }

  async receipt(index: number, options: WaitOptions = {}): Promise<Uint8Array> {
    await this.#passTime(options);
    return this.#published(index).receipt;
  }

  setUnreachable(isUnreachable: boolean): void {
    this.#isUnreachable = isUnreachable;
    this.#catchUp();
  }

  head(): MemoryHead {
    return { size: this.#size, root: toHex(this.#log.tree.root(this.#size)) };
  }

  compare(other: MemoryReader): void {
    const [mine, theirs] = [this.head(), other.head()];
    const size = Math.min(mine.size, theirs.size);
    const others = other instanceof Reader ? other : null;
    if (others === null || equalBytes(this.#log.tree.root(size), others.#log.tree.root(size))) return;
    const [first, second] = [this.#log, others.#log].map((log) => new TextDecoder().decode(log.note(size)));
    const evidence = { kind: 'split-view', first: first as string, second: second as string } as const;
    this.#lie = new BoardLiedError(this.#log.origin, evidence);
    others.#lie = this.#lie;
    throw this.#lie;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#log.listeners.delete(this.#listener);
    this.#closing.abort(new BoardClosedError());
  }

  #published(index: number): PublishedEntry {
    const leaf = this.#log.leaves[index];
    if (leaf === undefined) throw new RangeError('no entry of that index');
    const size = Math.max(this.#size, index + 1);
    const proof = this.#log.tree.inclusion(index, size);
    return { index, id: entryIdOf(leaf), receipt: formatReceipt({ index, proof, checkpoint: this.#log.note(size) }) };
  }

  async #passTime({ signal }: WaitOptions): Promise<void> {
    signal?.throwIfAborted();
    const { delayMs = 0 } = this.#log.options;
    const waits = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])]);
    if (delayMs > 0) await sleep(this.#clock, delayMs, { signal: waits });
    else await raceSignal(Promise.resolve(), waits);
    if (this.#lie !== null) throw this.#lie;
    if (this.#isUnreachable) throw new BoardUnreachableError(this.#log.origin, 'the test says so');
  }

  #catchUp(): void {
    if (this.#isUnreachable || this.#lie !== null || this.#closing.signal.aborted) return;
    while (this.#size < this.#log.leaves.length) {
      const index = this.#size;
      // Counted first: a handler may publish, which comes back here.
      this.#size += 1;
      const entry = readable(this.#log.leaves[index] as Uint8Array, index, this.#log.origin);
      if (entry === null) continue;
      const key = contentKeyOf(entry.kind, entry.body, entry.author);
      if (!this.#said.has(key)) this.#said.set(key, index);
      this.#book.take(entry);
    }
  }
}

function boardOver(log: MemoryLog, dependencies: MemoryBoardDependencies): MemoryBoard {
  return new FirstReader(log, dependencies);
}

class FirstReader extends Reader implements MemoryBoard {
  readonly origin: string;
  readonly policy: BoardPolicy;
  readonly #log: MemoryLog;
  readonly #dependencies: MemoryBoardDependencies;

  constructor(log: MemoryLog, dependencies: MemoryBoardDependencies) {
    super(log, dependencies);
    this.origin = log.origin;
    this.policy = { board: log.verifier, witnesses: [], quorum: 0 };
    this.#log = log;
    this.#dependencies = dependencies;
  }

  reader(): MemoryReader {
    return new Reader(this.#log, this.#dependencies);
  }

  fork(): MemoryBoard {
    return boardOver(new MemoryLog(this.#log.options, this.#log.leaves), this.#dependencies);
  }

  addLeaf(leaf: Uint8Array): void {
    this.#log.addUnchecked(leaf);
  }
}
