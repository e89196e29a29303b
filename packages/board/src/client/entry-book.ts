import { EntryRules, type EntryRuleTerms } from '../entries/entry-rules.ts';
import type { EntryRefusal } from '../entries/errors.ts';
import type { AnyBoardEntry, BoardEntry, EntryKind } from '../entry.ts';

/** The entries of one board that one reader verified and that are within the rules, in order. Grows with the log. */
export class EntryBook {
  readonly #rules: EntryRules;
  readonly #all: AnyBoardEntry[] = [];
  readonly #byId = new Map<string, AnyBoardEntry>();
  readonly #byKind = new Map<EntryKind, AnyBoardEntry[]>();
  readonly #handlers = new Set<(entry: AnyBoardEntry) => void>();

  constructor(terms: EntryRuleTerms) {
    this.#rules = new EntryRules(terms);
  }

  /** Takes the next entry and tells whoever listens; why not, where it is against the rules. */
  take(entry: AnyBoardEntry): EntryRefusal | null {
    const refusal = this.refusalOf(entry);
    if (refusal !== null) return refusal;
    this.#rules.apply(entry);
    this.#all.push(entry);
    this.#byId.set(entry.id, entry);
    const ofKind = this.#byKind.get(entry.kind);
    if (ofKind === undefined) this.#byKind.set(entry.kind, [entry]);
    else ofKind.push(entry);
    for (const handler of [...this.#handlers]) handler(entry);
    return null;
  }

  /** Why the entry cannot come next, or null. A leaf that stands there twice is one statement: its first place counts. */
  refusalOf(entry: AnyBoardEntry): EntryRefusal | null {
    return this.#byId.has(entry.id) ? 'repeated' : this.#rules.refusalOf(entry);
  }

  entries<Kind extends EntryKind>(kind: Kind): readonly BoardEntry<Kind>[] {
    return (this.#byKind.get(kind) ?? []).slice() as AnyBoardEntry[] as BoardEntry<Kind>[]; // kept by kind
  }

  entry(id: string): AnyBoardEntry | null {
    return this.#byId.get(id) ?? null;
  }

  /** Tells `handler` all there are, then each that comes, until disposed. */
  onEntry(handler: (entry: AnyBoardEntry) => void): Disposable {
    // One wrapper a call: the same function given twice is told twice, and each ends for itself.
    const told = (entry: AnyBoardEntry) => handler(entry);
    for (const entry of [...this.#all]) told(entry);
    this.#handlers.add(told);
    return { [Symbol.dispose]: () => void this.#handlers.delete(told) };
  }
}
