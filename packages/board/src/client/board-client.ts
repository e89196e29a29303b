import {
  type Clock,
  errorCode,
  type Logger,
  type Meter,
  raceSignal,
  silentLogger,
  silentMeter,
  startTicker,
  type WaitOptions,
} from '@pulsemesh/base';
import type { TableStore } from '@pulsemesh/store';
import { equalBytes } from '@pulsemesh/wire';
import type { Author, Board, PublishedEntry } from '../board.ts';
import type { EntryBodies } from '../entries/bodies.ts';
import type { EntryRuleTerms } from '../entries/entry-rules.ts';
import type { AnyBoardEntry, BoardEntry, EntryKind } from '../entry.ts';
import { MalformedError } from '../errors.ts';
import { hashLeaf } from '../merkle/hash.ts';
import { LeafTree } from '../merkle/leaf-tree.ts';
import { formatVerifierKey } from '../notes/keys.ts';
import { NoteRefusedError } from '../notes/open.ts';
import { ReceiptRefusedError } from '../receipt/errors.ts';
import { assertPolicy, type BoardPolicy } from '../receipt/policy.ts';
import { parseReceipt, verifyReceipt } from '../receipt/receipt.ts';
import { BoardRequests, type CheckpointPath } from './board-requests.ts';
import { clientLimits } from './client-limits.ts';
import { ClientStore } from './client-store.ts';
import { BoardClosedError, BoardLiedError, BoardTooLargeError, BoardUnreachableError } from './errors.ts';
import { type Evidence, verifyEvidence } from './evidence.ts';
import { type BoardFetch, directFetch } from './fetch.ts';
import { type BoardHead, FollowedLog, followLimits } from './followed-log.ts';
import { HeardHeads } from './heard-heads.ts';
import { Publications } from './publications.ts';

export interface BoardClientOptions extends Partial<EntryRuleTerms> {
  /** Where the board is: `https://board.example`. */
  readonly url: string;
  /** The board's key, its witnesses, and how many of them count. */
  readonly policy: BoardPolicy;
  /** Holds what was verified, in tables `followed/…`; one board each. The caller closes it after the client. */
  readonly store: TableStore;
  /** How often it asks for what is new; default {@link clientLimits}.followMs; 0: only when told to. */
  readonly followMs?: number;
  /** Default `checkpoint`. Witnesses follow `pending`, with a quorum of 0. */
  readonly checkpointPath?: CheckpointPath;
}

export interface BoardClientDependencies {
  readonly clock: Clock;
  /** Default: straight to the board. */
  readonly fetch?: BoardFetch;
  readonly logger?: Logger;
  readonly meter?: Meter;
}

/** What came of a checkpoint that somebody showed. */
export type HeardCheckpoint =
  /** It fits what is verified here. */
  | 'known'
  /** It is ahead, and is compared as soon as the board shows as much. */
  | 'ahead'
  /** It is not signed by this board, or is none. */
  | 'not-ours'
  /** It shows that the board lied. */
  | 'contradiction';

/** A {@link Board} that follows the log in full over HTTP, checks everything, and keeps what it checked. */
export interface BoardClient extends Board {
  readonly origin: string;
  /** The newest verified checkpoint as a note, to show to others; null before the first. */
  readonly head: Uint8Array | null;
  /** What shows that the board lied; null as long as it did not. Kept over restarts. */
  readonly evidence: Evidence | null;
  /** Takes a checkpoint from anyone: another client, a witness, a file. */
  hear(note: Uint8Array): Promise<HeardCheckpoint>;
  /**
   * Takes an entry and its receipt from anyone. One that this board is withholding, or swapped, is a contradiction at once, however far the
   * receipt's checkpoint is ahead.
   */
  hearReceipt(receipt: Uint8Array, leaf: Uint8Array): Promise<HeardCheckpoint>;
  /** Takes evidence from anyone, checks it, and trusts the board no more. @throws {EvidenceRefusedError} where it is none. */
  hearEvidence(evidence: Evidence): Promise<void>;
  /** Called once when the board lied, at once when it has. */
  onEvidence(handler: (evidence: Evidence) => void): Disposable;
  /** The RFC 6962 proof that the head continues the tree of `oldSize` leaves, at most its size. */
  consistency(oldSize: number): readonly Uint8Array[];
}

/**
 * Opens what was kept of a board and follows it from there; makes no request before it returns.
 * @throws {FollowStoreDamagedError} where what was kept is damaged or another board's; an AssertionError for a policy without sense.
 */
export async function openBoardClient(
  options: BoardClientOptions,
  dependencies: BoardClientDependencies,
): Promise<BoardClient> {
  assertPolicy(options.policy);
  return new Client(options, dependencies);
}

class Client implements BoardClient {
  readonly origin: string;
  readonly #options: BoardClientOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #meter: Meter;
  readonly #store: ClientStore;
  readonly #log: FollowedLog;
  readonly #requests: BoardRequests;
  readonly #heard: HeardHeads;
  readonly #publications: Publications;
  readonly #closing = new AbortController();
  readonly #stack = new DisposableStack();
  readonly #evidenceHandlers = new Set<(evidence: Evidence) => void>();
  #evidence: Evidence | null;
  /** The refresh under way, and the one that follows it for those who asked since. */
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(options: BoardClientOptions, dependencies: BoardClientDependencies) {
    const { clock, fetch = directFetch, logger = silentLogger, meter = silentMeter } = dependencies;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#meter = meter;
    this.origin = options.policy.board.name;
    this.#store = new ClientStore(options.store);
    const terms = { authorities: options.authorities ?? [] };
    const { cardHolder, checkpointPath = 'checkpoint' } = options;
    this.#log = new FollowedLog(
      options.policy,
      cardHolder === undefined ? terms : { ...terms, cardHolder },
      this.#store,
      logger,
    );
    this.#requests = new BoardRequests({ url: options.url, origin: this.origin, checkpointPath }, { clock, fetch });
    this.#heard = new HeardHeads(this.#store, (note) => this.#opened(note), clock);
    this.#publications = new Publications(
      { origin: this.origin, quorum: options.policy.quorum },
      { clock, store: this.#store, log: this.#log, requests: this.#requests, refresh: (wait) => this.refresh(wait) },
    );
    this.#evidence = this.#store.evidence();
    const followMs = options.followMs ?? clientLimits.followMs;
    if (followMs > 0) this.#follow(followMs);
  }

  get size(): number {
    return this.#log.size;
  }

  get head(): Uint8Array | null {
    return this.#log.head?.note ?? null;
  }

  get evidence(): Evidence | null {
    return this.#evidence;
  }

  entries<Kind extends EntryKind>(kind: Kind): readonly BoardEntry<Kind>[] {
    return this.#log.book.entries(kind);
  }

  entry(id: string): AnyBoardEntry | null {
    return this.#log.book.entry(id);
  }

  onEntry(handler: (entry: AnyBoardEntry) => void): Disposable {
    return this.#log.book.onEntry(handler);
  }

  onEvidence(handler: (evidence: Evidence) => void): Disposable {
    if (this.#evidence !== null) handler(this.#evidence);
    this.#evidenceHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#evidenceHandlers.delete(handler) };
  }

  consistency(oldSize: number): readonly Uint8Array[] {
    return this.#log.consistency(oldSize);
  }

  async refresh(options: WaitOptions = {}): Promise<void> {
    this.#assertTrusted();
    // What is under way may have asked before the caller did what it wants to see.
    this.#next ??= (this.#running ?? Promise.resolve()).catch(() => {}).then(() => this.#start());
    await raceSignal(this.#next, options.signal);
  }

  async publish<Kind extends EntryKind>(
    kind: Kind,
    body: EntryBodies[Kind],
    author: Author,
    options: WaitOptions = {},
  ): Promise<PublishedEntry> {
    this.#assertTrusted();
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    return this.#publications.publish(kind, body, author, { signal });
  }

  async receipt(index: number, options: WaitOptions = {}): Promise<Uint8Array> {
    this.#assertTrusted();
    if (index >= this.size) await this.refresh(options);
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size) throw new RangeError('no entry of that index');
    return this.#log.receipt(index);
  }

  async hear(note: Uint8Array): Promise<HeardCheckpoint> {
    const head = this.#opened(note);
    if (head === null) return 'not-ours';
    const contradiction = this.#log.contradiction(head) ?? this.#heard.contradiction(head);
    if (contradiction !== null) {
      await this.#accuse(contradiction);
      return 'contradiction';
    }
    if (head.checkpoint.size <= this.size) return 'known';
    await this.#heard.keep(head);
    return 'ahead';
  }

  async hearReceipt(receipt: Uint8Array, leaf: Uint8Array): Promise<HeardCheckpoint> {
    const place = orForeign(() => verifyReceipt(receipt, leaf, { ...this.#options.policy, quorum: 0 }));
    if (place === null) return 'not-ours';
    const evidence = this.#log.otherLeaf(place.index, hashLeaf(leaf), receipt);
    if (evidence === null) return this.hear(parseReceipt(receipt).checkpoint);
    await this.#accuse(evidence);
    return 'contradiction';
  }

  async hearEvidence(evidence: Evidence): Promise<void> {
    verifyEvidence(evidence, this.#options.policy.board);
    await this.#accuse(evidence);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    this.#closing.abort(new BoardClosedError());
    // What is being committed is finished before the caller closes the store.
    await Promise.allSettled([this.#running, this.#next]);
  }

  #follow(followMs: number): void {
    const look = () => this.refresh({ signal: this.#closing.signal });
    const ticker = startTicker(this.#clock, followMs, look, (error) => {
      if (!this.#closing.signal.aborted) this.#logger.debug('the board was not read', { code: errorCode(error) });
    });
    this.#stack.defer(() => ticker.stop());
  }

  #start(): Promise<void> {
    this.#next = null;
    const run = this.#refresh({ signal: this.#closing.signal }).finally(() => {
      this.#tellWhenBehind();
      if (this.#running === run) this.#running = null;
    });
    this.#running = run;
    return run;
  }

  async #refresh(options: WaitOptions): Promise<void> {
    this.#assertTrusted();
    const note = await this.#requests.checkpoint(options);
    const head = this.#opened(note);
    // A login page of a network, a proxy's error, another board: whoever answered, this board did not say it.
    if (head === null) throw new BoardUnreachableError(this.origin, 'what answers is not signed by it');
    const contradiction = this.#log.contradiction(head);
    if (contradiction !== null) return this.#accuseAndThrow(contradiction);
    const { size } = head.checkpoint;
    if (head.cosigners < this.#options.policy.quorum) return this.#count('waiting');
    // A cache that is behind shows the same.
    if (size < this.size) return this.#count('older');
    if (size === this.size && this.#log.head !== null) {
      if (head.cosigners > this.#log.head.cosigners) await this.#log.countersigned(head);
      return this.#count('same');
    }
    await this.#readUpTo(head, options);
    await this.#compareHeard();
    this.#count('newer');
    this.#meter.gauge('board_followed_entries', 'Entries of the board that were verified').set(this.size);
  }

  async #readUpTo(head: BoardHead, options: WaitOptions): Promise<void> {
    const { size } = head.checkpoint;
    if (size > followLimits.entriesMax) throw new BoardTooLargeError('entriesMax');
    const leaves = await this.#leaves(this.size, size, options);
    if (await this.#log.extend(head, leaves)) return;
    // What came does not lead to the root: a mixed-up cache, or another history. The whole log under this head tells which.
    const all = await this.#leaves(0, size, options);
    const other = new LeafTree();
    for (const leaf of all) other.append(hashLeaf(leaf));
    if (!equalBytes(other.root(), head.checkpoint.root)) {
      throw new BoardUnreachableError(this.origin, 'its entries are not those that it signed');
    }
    const evidence = this.#log.otherBeginning(other, head);
    if (evidence !== null) return this.#accuseAndThrow(evidence);
    await this.#log.extend(head, all.slice(this.size));
  }

  async #leaves(from: number, size: number, options: WaitOptions): Promise<Uint8Array[]> {
    const bytesMax = followLimits.bytesMax - (from === 0 ? 0 : this.#log.bytes);
    try {
      return await this.#requests.leaves(from, size, bytesMax, options);
    } catch (error) {
      if (error instanceof RangeError) throw new BoardTooLargeError('bytesMax');
      throw error;
    }
  }

  async #compareHeard(): Promise<void> {
    for (const head of await this.#heard.take(this.size)) {
      const contradiction = this.#log.contradiction(head);
      if (contradiction !== null) await this.#accuseAndThrow(contradiction);
    }
  }

  /** No accusation: caches and partitions look the same. A board that was put back to an older state stays like this. */
  #tellWhenBehind(): void {
    if (!this.#heard.isWaitingLonger(clientLimits.behindMs)) return;
    this.#logger.warn('others were shown more of the board than this node is', { entries: this.size });
  }

  #opened(note: Uint8Array): BoardHead | null {
    return orForeign(() => this.#log.open(note));
  }

  async #accuseAndThrow(evidence: Evidence): Promise<never> {
    await this.#accuse(evidence);
    throw new BoardLiedError(this.origin, this.#evidence ?? evidence);
  }

  async #accuse(evidence: Evidence): Promise<void> {
    if (this.#evidence !== null) return;
    // Whatever is wrong in here must not become an accusation.
    verifyEvidence(evidence, this.#options.policy.board);
    this.#evidence = evidence;
    this.#logger.error('the board lied: nothing of it counts any more, and the evidence is kept', {
      kind: evidence.kind,
      entries: this.size,
    });
    this.#count('lied');
    await this.#store.keepEvidence(evidence, formatVerifierKey(this.#options.policy.board));
    for (const handler of [...this.#evidenceHandlers]) handler(evidence);
  }

  #assertTrusted(): void {
    if (this.#evidence !== null) throw new BoardLiedError(this.origin, this.#evidence);
    this.#closing.signal.throwIfAborted();
  }

  #count(outcome: 'newer' | 'same' | 'older' | 'waiting' | 'lied'): void {
    const help = 'Times that the board was read';
    this.#meter.counter('board_reads_total', help, ['outcome']).add(1, { outcome });
  }
}

/** Null for what is not, or not of this board. */
function orForeign<Value>(open: () => Value): Value | null {
  try {
    return open();
  } catch (error) {
    const isForeign =
      error instanceof MalformedError || error instanceof NoteRefusedError || error instanceof ReceiptRefusedError;
    if (isForeign) return null;
    throw error;
  }
}
