import { embeddedLimits } from '../limits.ts';
import { Recent } from './recent.ts';
import type { AccountRecord, StateChanges, StateReader } from './state-types.ts';

/** The head's state: what was read or written lately from memory, the rest from below. */
export class CachedState implements StateReader {
  readonly #below: StateReader;
  readonly #accounts = new Recent<{ readonly record: AccountRecord | undefined }>(embeddedLimits.stateCacheMax);
  readonly #slots = new Recent<Uint8Array>(embeddedLimits.stateCacheMax);
  readonly #codes = new Recent<Uint8Array>(embeddedLimits.codeCacheMax);

  constructor(below: StateReader) {
    this.#below = below;
  }

  account(address: string): AccountRecord | undefined {
    const found = this.#accounts.get(address);
    if (found !== undefined) return found.record;
    const record = this.#below.account(address);
    this.#accounts.set(address, { record });
    return record;
  }

  slot(place: string): Uint8Array {
    const found = this.#slots.get(place);
    if (found !== undefined) return found;
    const value = this.#below.slot(place);
    this.#slots.set(place, value);
    return value;
  }

  code(hash: string): Uint8Array {
    const found = this.#codes.get(hash);
    if (found !== undefined) return found;
    const code = this.#below.code(hash);
    if (code.length > 0) this.#codes.set(hash, code);
    return code;
  }

  slotsOf(address: string): readonly string[] {
    return this.#below.slotsOf(address);
  }

  /** After what is below has taken a block's changes. */
  apply({ accounts, slots }: StateChanges): void {
    for (const [address, record] of accounts) this.#accounts.set(address, { record: record ?? undefined });
    for (const [place, value] of slots) this.#slots.set(place, value);
  }
}
