import type { WaitOptions } from '@pulsemesh/base';
import type { TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { EntryBook } from '../client/entry-book.ts';
import { parseEntry, parseOwnEntry } from '../entries/entry-codec.ts';
import type { EntryRuleTerms } from '../entries/entry-rules.ts';
import { EntryRefusedError } from '../entries/errors.ts';
import type { AnyBoardEntry, EntryKind } from '../entry.ts';
import type { AppendedLeaf, BoardLog } from '../log/board-log.ts';
import { hashLeaf } from '../merkle/hash.ts';
import type { Admission } from './admission.ts';

export interface BoardGateOptions extends EntryRuleTerms {
  readonly log: Pick<BoardLog, 'append' | 'leaf' | 'indexOf' | 'checkpoint' | 'origin'>;
  readonly admission: Admission;
  /** Where the admission counts. */
  readonly store: TableStore;
}

/** The entry as it was taken. */
export interface GatedEntry extends AppendedLeaf {
  readonly author: PeerId;
  readonly kind: EntryKind;
}

/** Kinds that say who may write later ones: they are judged one after the other. */
const kindsThatRule: ReadonlySet<EntryKind> = new Set<EntryKind>(['key', 'task', 'contract']);

/**
 * Stands before a board's log: lets in what is an entry of this board, is within the rules, and is paid for by its author's admission. Reads
 * the log once at the start to know what the rules need.
 */
export class BoardGate {
  readonly #options: BoardGateOptions;
  readonly #book: EntryBook;
  #ruling: Promise<unknown> = Promise.resolve();

  constructor(options: BoardGateOptions) {
    this.#options = options;
    this.#book = new EntryBook(options);
    const { log } = options;
    for (let index = 0; index < log.checkpoint.size; index += 1) {
      const leaf = log.leaf(index);
      if (leaf !== null) this.#take(leaf, index);
    }
  }

  /**
   * Adds an entry; resolves once it is durable under a signed checkpoint. The same again gives the first place and costs nothing.
   * @throws {EntryRefusedError} · {NotAdmittedError} · what the log throws; then nothing was added.
   */
  async add(leaf: Uint8Array, options: WaitOptions = {}): Promise<GatedEntry> {
    const { log } = this.#options;
    const entry = parseEntry(leaf, { index: 0, origin: log.origin });
    if (!kindsThatRule.has(entry.kind)) return this.#add(entry, options);
    const added = this.#ruling.then(() => this.#add(entry, options));
    this.#ruling = added.catch(() => {});
    return added;
  }

  async #add(entry: AnyBoardEntry, options: WaitOptions): Promise<GatedEntry> {
    const { log, admission, store } = this.#options;
    const { leaf, author, kind } = entry;
    const leafHash = hashLeaf(leaf);
    const known = log.indexOf(leafHash);
    if (known !== null) return { index: known, leafHash, isNew: false, author, kind };
    const refusal = this.#book.refusalOf(entry);
    if (refusal !== null) throw new EntryRefusedError(refusal);
    // Before it is added: a crash between the two costs the author an entry of one day, and gives nobody one for nothing.
    await store.commit(admission.charge(author, [leaf.length]));
    const added = await log.append(leaf, options);
    if (added.isNew) this.#take(leaf, added.index);
    return { ...added, author, kind };
  }

  #take(leaf: Uint8Array, index: number): void {
    try {
      const entry = parseOwnEntry(leaf, { index, origin: this.#options.log.origin });
      // The others are judged by these; keeping them would keep the whole log in memory.
      if (kindsThatRule.has(entry.kind)) this.#book.take(entry);
    } catch (error) {
      // A leaf that an earlier version let in: readers skip it too.
      if (!(error instanceof EntryRefusedError)) throw error;
    }
  }
}
