import { type Clock, type Random, sleep } from '@pulsemesh/base';
import { createMemoryTables, StoreFailedError, type TableChange, type TableStore } from '@pulsemesh/store';

/** What survives: hand it to a new {@link CrashStore} after a crash. */
export function createDisk(): TableStore {
  return createMemoryTables();
}

/**
 * A store over a disk that outlives it. A commit takes time; one that is under way at a crash is on the disk or not, by chance, and
 * nobody is told. For simulation.
 */
export class CrashStore implements TableStore {
  readonly #disk: TableStore;
  readonly #clock: Clock;
  readonly #random: Random;
  #isCrashed = false;
  #last: Promise<void> = Promise.resolve();

  constructor(disk: TableStore, clock: Clock, random: Random) {
    this.#disk = disk;
    this.#clock = clock;
    this.#random = random;
  }

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    return this.#disk.get(table, key);
  }

  range(table: string, range?: Parameters<TableStore['range']>[1]) {
    return this.#disk.range(table, range);
  }

  count(table: string): number {
    return this.#disk.count(table);
  }

  commit(changes: readonly TableChange[]): Promise<void> {
    const turn = this.#last.then(async () => {
      await sleep(this.#clock, this.#random.integer(4));
      if (this.#isCrashed && this.#random.integer(2) === 0) throw new StoreFailedError('crashed before');
      await this.#disk.commit(changes);
      if (this.#isCrashed) throw new StoreFailedError('crashed after');
    });
    // After a crash nothing that was queued behind happens.
    this.#last = turn.catch(() => {
      if (this.#isCrashed) return new Promise<void>(() => {});
    });
    return turn;
  }

  crash(): void {
    this.#isCrashed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.crash();
  }
}
