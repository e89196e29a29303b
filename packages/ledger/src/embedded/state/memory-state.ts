import type { AccountRecord, StateChanges, StateReader } from './state-types.ts';

const none = new Uint8Array(0);

/** A whole state in memory: what a replay builds up. */
export class MemoryState implements StateReader {
  readonly accounts = new Map<string, AccountRecord>();
  readonly slots = new Map<string, Uint8Array>();
  readonly codes = new Map<string, Uint8Array>();

  account(address: string): AccountRecord | undefined {
    return this.accounts.get(address);
  }

  slot(place: string): Uint8Array {
    return this.slots.get(place) ?? none;
  }

  code(hash: string): Uint8Array {
    return this.codes.get(hash) ?? none;
  }

  /** Walks all slots: asked for only when a contract is made or goes. */
  slotsOf(address: string): readonly string[] {
    return [...this.slots.keys()].filter((place) => place.startsWith(address)).map((place) => place.slice(40));
  }

  apply(changes: StateChanges): void {
    for (const [address, record] of changes.accounts) {
      if (record === null) this.accounts.delete(address);
      else this.accounts.set(address, record);
    }
    for (const [place, value] of changes.slots) {
      if (value.length === 0) this.slots.delete(place);
      else this.slots.set(place, value);
    }
    for (const [hash, code] of changes.codes) this.codes.set(hash, code);
  }
}
