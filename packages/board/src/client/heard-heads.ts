import type { Clock } from '@pulsemesh/base';
import { equalBytes } from '@pulsemesh/wire';
import type { ClientStore } from './client-store.ts';
import type { Evidence } from './evidence.ts';
import type { BoardHead } from './followed-log.ts';

/** Checkpoints of others that are remembered until the log is as long; of more, the shortest is forgotten. */
export const heardMax = 16;

/** Checkpoints that others were shown and that are ahead of what this client has, over restarts. */
export class HeardHeads {
  readonly #store: ClientStore;
  readonly #clock: Clock;
  #heads: readonly BoardHead[];
  #sinceMs: number;

  constructor(store: ClientStore, open: (note: Uint8Array) => BoardHead | null, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#heads = store.heard().flatMap((note) => open(note) ?? []);
    this.#sinceMs = clock.monotonicMs();
  }

  /** What shows that the board lied, where it signed another root for the same size to somebody else. */
  contradiction(head: BoardHead): Evidence | null {
    const { size, root } = head.checkpoint;
    const other = this.#heads.find(({ checkpoint }) => checkpoint.size === size && !equalBytes(checkpoint.root, root));
    if (other === undefined) return null;
    const text = new TextDecoder();
    return { kind: 'split-view', first: text.decode(other.note), second: text.decode(head.note) };
  }

  async keep(head: BoardHead): Promise<void> {
    if (this.#heads.some(({ checkpoint }) => checkpoint.size === head.checkpoint.size)) return;
    if (this.#heads.length === 0) this.#sinceMs = this.#clock.monotonicMs();
    const ordered = [...this.#heads, head].sort((one, other) => other.checkpoint.size - one.checkpoint.size);
    await this.#change(ordered.slice(0, heardMax));
  }

  /** Those of at most `size`, which can be compared now; they are forgotten here. */
  async take(size: number): Promise<readonly BoardHead[]> {
    const due = this.#heads.filter(({ checkpoint }) => checkpoint.size <= size);
    if (due.length > 0) await this.#change(this.#heads.filter(({ checkpoint }) => checkpoint.size > size));
    return due;
  }

  /** True when the board has not shown, for so long, what it showed others. */
  isWaitingLonger(ms: number): boolean {
    return this.#heads.length > 0 && this.#clock.monotonicMs() - this.#sinceMs >= ms;
  }

  async #change(heads: readonly BoardHead[]): Promise<void> {
    this.#heads = heads;
    await this.#store.keepHeard(heads.map(({ note }) => note));
  }
}
