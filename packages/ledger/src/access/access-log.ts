import { assert, type Logger, type Meter, type Random, raceSignal, type WaitOptions } from '@pulsemesh/base';
import type { Author } from '@pulsemesh/board';
import { type BoardLog, openBoardLog, type SignedCheckpoint } from '@pulsemesh/board/server';
import { createNoteVerifier, formatVerifierKey, hashLeaf } from '@pulsemesh/board/verify';
import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { concatBytes } from '@pulsemesh/wire';
import type { Hex } from '../offer/offer.ts';
import { saltBytes } from './access-limits.ts';
import type { AccessReceipt, AccessRecord } from './access-types.ts';
import { AccessLogClosedError } from './errors.ts';
import { bytesOfHex } from './fields.ts';
import { accessLeaf, accessStatement, decodeAccessRecord, encodeAccessRecord, requestHash } from './record-codec.ts';
import { keyNumber, numberKey, SealedRows } from './sealed-rows.ts';

/** What is to be written down; the log counts it and hashes the request. */
export interface NewAccess extends Omit<AccessRecord, 'ordinal' | 'request'> {
  /** The reader's signed request as it arrived (`encodeReadRequest`); null where nobody asked. */
  readonly request: Uint8Array | null;
}

/** A custodian's log of accesses: hashes that are public, and beside them, sealed, what they are of. */
export interface AccessLog extends AsyncDisposable {
  /** C2SP note key. */
  readonly logKey: string;
  readonly checkpoint: SignedCheckpoint;
  /**
   * Writes records down together with what depends on them, in one commit; resolves with their leaves once that is durable. They are in
   * the log when {@link logged} says so, at the latest when it is opened again. @throws {StoreFullError} and then nothing changed;
   * {StoreFailedError}.
   */
  note(
    accesses: readonly NewAccess[],
    changesOf: (leaves: readonly Uint8Array[]) => readonly TableChange[],
  ): Promise<readonly Uint8Array[]>;
  /**
   * Resolves once a leaf that was noted is durable in the log, under a head that is signed and durable. Only then may what it tells of
   * happen. @throws as `BoardLog.append`: retryable ones may be asked again.
   */
  logged(leaf: Uint8Array, options?: WaitOptions): Promise<void>;
  /** Both: the record is in the log for good when it resolves. */
  append(access: NewAccess, options?: WaitOptions): Promise<AccessReceipt>;
  /** What shows the record at `index` to be in the log, under the newest head; null where there is none, or it was erased. */
  receiptOf(index: number): AccessReceipt | null;
  /** The same of a leaf; null too while it is not in the log. */
  receiptOfLeaf(leaf: Uint8Array): AccessReceipt | null;
  /** Leaves of a grant, in no order. */
  leavesOf(grantId: Hex): readonly Uint8Array[];
  /** Destroys records, requests and salts of a grant, in one commit with `changes`; the leaves stay, and nobody can say of what. */
  erase(grantId: Hex, changes?: readonly TableChange[]): Promise<void>;
  /** Leaves from `from` on, at most `limit`: hashes, public. */
  leaves(from: number, limit: number): readonly Uint8Array[];
  onCheckpoint(handler: (checkpoint: SignedCheckpoint) => void): Disposable;
}

export interface AccessLogOptions {
  /** Holds tables `access/…` and those of the board log; the caller closes it. No other log is in it. */
  readonly store: TableStore;
  readonly box: Box;
  /** The custodian's identity: signs heads and records. */
  readonly author: Author;
  /** Names the log: a name without spaces or plus, unlike any other log's. */
  readonly origin: string;
}

export interface AccessLogDependencies {
  /** For salts: the system's, outside tests. */
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

const rowsTable = 'access/rows';
const grantsTable = 'access/grants';
const countsTable = 'access/counts';
const pendingTable = 'access/pending';
const present = Uint8Array.of(1);
const leafBytes = 32;
/** Leaves that are known to be in the log and whose mark goes away with one note. */
const settledPerNoteMax = 64;
/** Callers whose records share a commit. */
const notesPerCommitMax = 256;

/**
 * Opens the log that the store holds, or begins it. What was noted before a crash and not logged is logged before it resolves.
 * @throws {LogDamagedError}; {StoreFullError}; {StoreFailedError}.
 */
export async function openAccessLog(
  options: AccessLogOptions,
  dependencies: AccessLogDependencies,
): Promise<AccessLog> {
  const { store, author, origin } = options;
  const { logger, meter } = dependencies;
  const log = await openBoardLog({ store, signer: author, origin }, { logger, meter });
  const access = new StoredAccessLog(options, dependencies, log);
  try {
    await access.catchUp();
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
  return access;
}

/** A caller whose records are to be written down. */
interface Noting {
  readonly accesses: readonly NewAccess[];
  readonly changesOf: (leaves: readonly Uint8Array[]) => readonly TableChange[];
  readonly settled: PromiseWithResolvers<readonly Uint8Array[]>;
}

class StoredAccessLog implements AccessLog {
  readonly logKey: string;
  readonly #rows: SealedRows;
  readonly #log: BoardLog;
  readonly #author: Author;
  readonly #random: Random;
  readonly #noting: Noting[] = [];
  /** One note at a time: each counts on from the one before. */
  #last: Promise<unknown> = Promise.resolve();
  /** In the log, and still marked as on its way there. */
  #settled: Uint8Array[] = [];
  #isClosed = false;

  constructor(options: AccessLogOptions, { random }: AccessLogDependencies, log: BoardLog) {
    this.#rows = new SealedRows(options.store, options.box);
    this.#log = log;
    this.#author = options.author;
    this.#random = random;
    this.logKey = formatVerifierKey(createNoteVerifier(options.origin, options.author.publicKey, 'ed25519'));
  }

  get checkpoint(): SignedCheckpoint {
    return this.#log.checkpoint;
  }

  async catchUp(): Promise<void> {
    const pending = Array.from(this.#rows.store.range(pendingTable), ({ key }) => key);
    await Promise.all(pending.map((leaf) => this.logged(leaf)));
  }

  async note(
    accesses: readonly NewAccess[],
    changesOf: (leaves: readonly Uint8Array[]) => readonly TableChange[],
  ): Promise<readonly Uint8Array[]> {
    const noting: Noting = { accesses, changesOf, settled: Promise.withResolvers() };
    this.#noting.push(noting);
    // Whoever's turn comes first writes for all that wait by then; the others find nothing to do.
    this.#inTurn(() => this.#writeNoted()).catch(noting.settled.reject);
    return await noting.settled.promise;
  }

  async #writeNoted(): Promise<void> {
    const batch = this.#noting.splice(0, notesPerCommitMax);
    if (batch.length === 0) return;
    let counts: ReadonlyMap<Hex, number> = new Map();
    const prepared = batch.flatMap((noting) => {
      try {
        const counted = new Map(counts);
        const noted = noting.accesses.map((access) => this.#noteOne(access, counted));
        const leaves = noted.map(({ leaf }) => leaf);
        const changes = [...noting.changesOf(leaves), ...noted.flatMap((one) => one.changes)];
        counts = counted;
        return [{ noting, leaves, changes }];
      } catch (error) {
        noting.settled.reject(error); // its own fault: the others go on
        return [];
      }
    });
    const settled = this.#settled.slice(0, settledPerNoteMax * batch.length);
    try {
      await this.#rows.store.commit([
        ...prepared.flatMap(({ changes }) => changes),
        ...[...counts].map(([grantId, count]) => putCount(grantId, count)),
        ...settled.map((leaf) => this.#rows.remove(pendingTable, leaf)),
      ]);
    } catch (error) {
      for (const { noting } of prepared) noting.settled.reject(error);
      return;
    }
    this.#settled = this.#settled.slice(settled.length);
    for (const { noting, leaves } of prepared) noting.settled.resolve(leaves);
  }

  #noteOne(
    access: NewAccess,
    counts: Map<Hex, number>,
  ): { readonly leaf: Uint8Array; readonly changes: TableChange[] } {
    const { request, ...rest } = access;
    const ordinal = counts.get(access.grantId) ?? this.#countOf(access.grantId);
    counts.set(access.grantId, ordinal + 1);
    const record: AccessRecord = { ...rest, ordinal, request: requestHash(request) };
    const salt = this.#random.bytes(saltBytes);
    const leaf = accessLeaf(record, salt);
    return {
      leaf,
      changes: [
        this.#rows.put(rowsTable, leaf, [encodeAccessRecord(record), salt, request]),
        { kind: 'put', table: grantsTable, key: grantKey(access.grantId, leaf), value: present },
        { kind: 'put', table: pendingTable, key: leaf, value: present },
      ],
    };
  }

  async logged(leaf: Uint8Array, options: WaitOptions = {}): Promise<void> {
    const { isNew } = await this.#log.append(leaf, options);
    if (isNew || this.#rows.store.get(pendingTable, leaf) !== undefined) this.#settled.push(leaf);
  }

  async append(access: NewAccess, options: WaitOptions = {}): Promise<AccessReceipt> {
    const [leaf] = await raceSignal(
      this.note([access], () => []),
      options.signal,
    );
    assert(leaf !== undefined, 'each access has its leaf');
    await this.logged(leaf, options);
    const receipt = this.receiptOfLeaf(leaf);
    assert(receipt !== null, 'what was logged has its receipt');
    return receipt;
  }

  receiptOf(index: number): AccessReceipt | null {
    const leaf = this.#log.leaf(index);
    return leaf === null ? null : this.receiptOfLeaf(leaf);
  }

  receiptOfLeaf(leaf: Uint8Array): AccessReceipt | null {
    const index = this.#log.indexOf(hashLeaf(leaf));
    const row = this.#rows.get(rowsTable, leaf);
    if (index === null || row === undefined) return null;
    const [encoded, salt, request] = row as [Uint8Array, Uint8Array, Uint8Array | null]; // as written in #noteOne
    const record = decodeAccessRecord(encoded);
    const { size, note } = this.#log.checkpoint;
    const path = this.#log.proveInclusion(index, size);
    assert(path !== null, 'the log answers for what it holds');
    const signature = this.#author.sign(accessStatement(record, salt));
    return { record, salt, index, path, checkpoint: note, request, signature };
  }

  leavesOf(grantId: Hex): readonly Uint8Array[] {
    const prefix = bytesOfHex(grantId, 32);
    const until = concatBytes(prefix, new Uint8Array(leafBytes + 1).fill(0xff));
    return Array.from(this.#rows.store.range(grantsTable, { from: prefix, until }), ({ key }) => key.slice(32));
  }

  erase(grantId: Hex, changes: readonly TableChange[] = []): Promise<void> {
    return this.#inTurn(() =>
      this.#rows.store.commit([
        ...changes,
        ...this.leavesOf(grantId).flatMap((leaf) => [
          this.#rows.remove(rowsTable, leaf),
          this.#rows.remove(grantsTable, grantKey(grantId, leaf)),
        ]),
        this.#rows.remove(countsTable, bytesOfHex(grantId, 32)),
      ]),
    );
  }

  leaves(from: number, limit: number): readonly Uint8Array[] {
    const count = Math.max(0, Math.min(limit, this.checkpoint.size - from));
    return Array.from({ length: count }, (_, place) => this.#log.leaf(from + place) ?? new Uint8Array(0));
  }

  onCheckpoint(handler: (checkpoint: SignedCheckpoint) => void): Disposable {
    return this.#log.onCheckpoint(handler);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#log[Symbol.asyncDispose]();
  }

  #countOf(grantId: Hex): number {
    const value = this.#rows.store.get(countsTable, bytesOfHex(grantId, 32));
    return value === undefined ? 0 : keyNumber(value);
  }

  async #inTurn<Value>(act: () => Promise<Value>): Promise<Value> {
    if (this.#isClosed) throw new AccessLogClosedError();
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => {});
    return await turn;
  }
}

function putCount(grantId: Hex, count: number): TableChange {
  return { kind: 'put', table: countsTable, key: bytesOfHex(grantId, 32), value: numberKey(count) };
}

function grantKey(grantId: Hex, leaf: Uint8Array): Uint8Array {
  return concatBytes(bytesOfHex(grantId, 32), leaf);
}
