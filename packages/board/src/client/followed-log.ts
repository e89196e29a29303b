import { assert, type Logger } from '@pulsemesh/base';
import { equalBytes, toHex } from '@pulsemesh/wire';
import { contentKeyOf, parseEntry, parseOwnEntry } from '../entries/entry-codec.ts';
import type { EntryRuleTerms } from '../entries/entry-rules.ts';
import { type EntryRefusal, EntryRefusedError } from '../entries/errors.ts';
import type { AnyBoardEntry } from '../entry.ts';
import { hashLeaf } from '../merkle/hash.ts';
import { LeafTree } from '../merkle/leaf-tree.ts';
import type { OpenedCheckpoint } from '../notes/checkpoint.ts';
import { type BoardPolicy, openCheckpointUnder } from '../receipt/policy.ts';
import { formatReceipt } from '../receipt/receipt.ts';
import type { ClientStore } from './client-store.ts';
import { EntryBook } from './entry-book.ts';
import { FollowStoreDamagedError } from './errors.ts';
import type { Evidence } from './evidence.ts';

export const followLimits = {
  /** Entries of a board that one client follows; past it it says so and stays where it is. */
  entriesMax: 1_000_000,
  /** Bytes of their leaves. */
  bytesMax: 1024 ** 3,
} as const;

/** A checkpoint that the board signed. */
export interface BoardHead extends OpenedCheckpoint {
  readonly note: Uint8Array;
  /** Witnesses of the policy that cosigned it. */
  readonly cosigners: number;
}

/** A board's log as far as one client verified it: the whole tree, all entries, the head that signs them. */
export class FollowedLog {
  readonly book: EntryBook;
  readonly #policy: BoardPolicy;
  readonly #store: ClientStore;
  readonly #logger: Logger;
  readonly #tree = new LeafTree();
  /** Index by what was said. */
  readonly #said = new Map<string, number>();
  #bytes = 0;
  #head: BoardHead | null = null;

  /** Reads what the store has. @throws {FollowStoreDamagedError} where it is not what was written. */
  constructor(policy: BoardPolicy, terms: EntryRuleTerms, store: ClientStore, logger: Logger) {
    this.#policy = policy;
    this.#store = store;
    this.#logger = logger;
    this.book = new EntryBook(terms);
    this.#restore();
  }

  get size(): number {
    return this.#tree.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Null before anything was verified. */
  get head(): BoardHead | null {
    return this.#head;
  }

  /** A note as a head of this board. @throws {MalformedError} · {NoteRefusedError} · {ReceiptRefusedError} for another's. */
  open(note: Uint8Array): BoardHead {
    const opened = openCheckpointUnder(note, { ...this.#policy, quorum: 0 });
    return { ...opened, note, cosigners: opened.signatures.length - 1 };
  }

  /** What shows that the board lied, where `head` is not of the log that was followed; null where it fits, or is ahead. */
  contradiction(head: BoardHead): Evidence | null {
    const { size, root } = head.checkpoint;
    const own = this.#head;
    if (own === null || size > this.size) return null;
    const expected = this.#tree.root(size);
    if (equalBytes(expected, root)) return null;
    const [theirs, ours] = [textOf(head.note), textOf(own.note)];
    if (size === own.checkpoint.size) return { kind: 'split-view', first: ours, second: theirs };
    const proof = this.#tree.consistency(size).map(toHex);
    return { kind: 'rewritten', older: theirs, newer: ours, otherRoot: toHex(expected), proof };
  }

  /** What shows that the board withholds or swapped an entry: its receipt (verified) is of a place that has another leaf here. */
  otherLeaf(index: number, leafHash: Uint8Array, receipt: Uint8Array): Evidence | null {
    const own = this.#head;
    if (own === null || index >= own.checkpoint.size) return null;
    const here = this.#tree.leafHash(index);
    if (equalBytes(here, leafHash)) return null;
    return {
      kind: 'two-leaves',
      first: { receipt: textOf(receipt), leafHash: toHex(leafHash) },
      second: { receipt: textOf(this.receipt(index)), leafHash: toHex(here) },
    };
  }

  /** What shows that `other`, a whole tree under `head`, begins differently; null where it does not. */
  otherBeginning(other: LeafTree, head: BoardHead): Evidence | null {
    const own = this.#head;
    if (own === null || own.checkpoint.size > other.size) return null;
    const { size } = own.checkpoint;
    const otherRoot = other.root(size);
    if (equalBytes(otherRoot, own.checkpoint.root)) return null;
    const proof = other.consistency(size).map(toHex);
    const [older, newer] = [textOf(own.note), textOf(head.note)];
    return { kind: 'rewritten', older, newer, otherRoot: toHex(otherRoot), proof };
  }

  /**
   * Takes `leaves` as what follows, up to `head`: durable first, then told to whoever listens. False, and nothing changed, where they do
   * not lead to its root.
   */
  async extend(head: BoardHead, leaves: readonly Uint8Array[]): Promise<boolean> {
    const from = this.size;
    assert(from + leaves.length === head.checkpoint.size, 'the leaves lead up to the head');
    const hashes = leaves.map(hashLeaf);
    for (const hash of hashes) this.#tree.append(hash);
    const fits = equalBytes(this.#tree.root(), head.checkpoint.root);
    // Nobody is told of more than is kept; the tree grows again when it is.
    this.#tree.truncate(from);
    if (!fits) return false;
    await this.#store.extend(from, leaves, head.note);
    for (const hash of hashes) this.#tree.append(hash);
    this.#head = head;
    for (const [offset, leaf] of leaves.entries()) this.#take(leaf, from + offset, parseEntry);
    return true;
  }

  /** Remembers a head of the same size with more cosignatures. */
  async countersigned(head: BoardHead): Promise<void> {
    assert(head.checkpoint.size === this.size, 'the same tree');
    await this.#store.extend(this.size, [], head.note);
    this.#head = head;
  }

  /** Where this was said; null where it was not. */
  indexOf(contentKey: string): number | null {
    return this.#said.get(contentKey) ?? null;
  }

  leafHash(index: number): Uint8Array {
    return this.#tree.leafHash(index);
  }

  /** How the tree of `oldSize` leaves is continued by the head. */
  consistency(oldSize: number): readonly Uint8Array[] {
    return this.#tree.consistency(oldSize);
  }

  /** A receipt under the head; the caller knows that there is one, and that `index` is below its size. */
  receipt(index: number): Uint8Array {
    const head = this.#head;
    assert(head !== null && index < head.checkpoint.size, 'the entry is under the head');
    return formatReceipt({ index, proof: this.#tree.inclusion(index, head.checkpoint.size), checkpoint: head.note });
  }

  #restore(): void {
    const note = this.#store.head();
    if (note === null) return;
    const head = this.#openKept(note);
    const leaves = this.#store.leaves(head.checkpoint.size);
    // The iterator is lazy: entries are read and judged one by one.
    let index = 0;
    for (const leaf of leaves) {
      this.#tree.append(hashLeaf(leaf));
      this.#take(leaf, index, parseOwnEntry);
      index += 1;
    }
    if (this.size !== head.checkpoint.size || !equalBytes(this.#tree.root(), head.checkpoint.root)) {
      throw new FollowStoreDamagedError('leaves');
    }
    this.#head = head;
  }

  #openKept(note: Uint8Array): BoardHead {
    try {
      return this.open(note);
    } catch (error) {
      throw new FollowStoreDamagedError('head', { cause: error });
    }
  }

  #take(leaf: Uint8Array, index: number, parse: typeof parseEntry): void {
    this.#bytes += leaf.length;
    const refusal = this.#judge(leaf, index, parse);
    // Carelessness of the board or an entry of a later version: nobody is accused, nothing is shown.
    if (refusal !== null) this.#logger.debug('an entry of the board is skipped', { index, refusal });
  }

  #judge(leaf: Uint8Array, index: number, parse: typeof parseEntry): EntryRefusal | null {
    let entry: AnyBoardEntry;
    try {
      entry = parse(leaf, { index, origin: this.#policy.board.name });
    } catch (error) {
      if (error instanceof EntryRefusedError) return error.refusal;
      throw error;
    }
    const refusal = this.book.refusalOf(entry);
    if (refusal !== null) return refusal;
    const key = contentKeyOf(entry.kind, entry.body, entry.author);
    if (!this.#said.has(key)) this.#said.set(key, index);
    return this.book.take(entry);
  }
}

function textOf(note: Uint8Array): string {
  return new TextDecoder().decode(note);
}
