import type { StateManagerInterface } from '@ethereumjs/common';
import { OriginalStorageCache } from '@ethereumjs/statemanager';
import { Account, type Address, equalsBytes, KECCAK256_NULL, unpadBytes } from '@ethereumjs/util';
import { assert } from '@pulsemesh/base';
import { toHex } from './hex.ts';
import { keccak256 } from './keccak.ts';
import type { AccountRecord, StateChanges, StateReader } from './state-types.ts';

const none = new Uint8Array(0);

/**
 * State as the EVM sees it, flat: what was written lies over a reader, and an undo list takes it back (checkpoint, revert). No trie: a
 * chain with one sealer commits to its changes block by block (`state-hash.ts`). Methods are async because the EVM awaits them; none waits.
 */
export class FlatState implements StateManagerInterface {
  readonly originalStorageCache: StateManagerInterface['originalStorageCache'];
  readonly #below: StateReader;
  readonly #accounts = new Map<string, AccountRecord | null>();
  readonly #slots = new Map<string, Uint8Array>();
  readonly #codes = new Map<string, Uint8Array>();
  readonly #undo: (() => void)[] = [];
  readonly #marks: number[] = [];

  constructor(below: StateReader) {
    this.#below = below;
    this.originalStorageCache = new OriginalStorageCache((address, key) => this.getStorage(address, key));
  }

  /** What differs from the reader below. */
  changes(): StateChanges {
    const accounts = new Map<string, AccountRecord | null>();
    for (const [address, record] of this.#accounts) {
      if (!isSameAccount(record, this.#below.account(address) ?? null)) accounts.set(address, record);
    }
    const slots = new Map<string, Uint8Array>();
    for (const [place, value] of this.#slots) if (!equalsBytes(value, this.#below.slot(place))) slots.set(place, value);
    return { accounts, slots, codes: new Map(this.#codes) };
  }

  /** Forgets all that was written. */
  clear(): void {
    this.#accounts.clear();
    this.#slots.clear();
    this.#codes.clear();
    this.#undo.length = 0;
    this.#marks.length = 0;
    this.originalStorageCache.clear();
  }

  /** What an account is now, without making an object of the library. */
  record(address: string): AccountRecord | undefined {
    const written = this.#accounts.get(address);
    return written === undefined ? this.#below.account(address) : (written ?? undefined);
  }

  // The library changes what it is given before it puts it back: each time a new object.
  async getAccount(address: Address): Promise<Account | undefined> {
    const record = this.record(toHex(address.bytes));
    return record && new Account(record.nonce, record.balance, undefined, record.codeHash);
  }

  async putAccount(address: Address, account?: Account): Promise<void> {
    if (account === undefined) return this.deleteAccount(address);
    const { nonce, balance, codeHash } = account;
    this.#write(this.#accounts, toHex(address.bytes), { nonce, balance, codeHash });
  }

  async deleteAccount(address: Address): Promise<void> {
    if (this.record(toHex(address.bytes)) === undefined) return;
    await this.clearStorage(address);
    this.#write(this.#accounts, toHex(address.bytes), null);
  }

  async modifyAccountFields(address: Address, fields: Partial<AccountRecord>): Promise<void> {
    const key = toHex(address.bytes);
    const { nonce, balance, codeHash } = this.record(key) ?? emptyAccount;
    this.#write(this.#accounts, key, {
      nonce: fields.nonce ?? nonce,
      balance: fields.balance ?? balance,
      codeHash: fields.codeHash ?? codeHash,
    });
  }

  async putCode(address: Address, code: Uint8Array): Promise<void> {
    const codeHash = code.length === 0 ? KECCAK256_NULL : keccak256(code);
    if (code.length > 0) this.#write(this.#codes, toHex(codeHash), code);
    await this.modifyAccountFields(address, { codeHash });
  }

  async getCode(address: Address): Promise<Uint8Array> {
    const record = this.record(toHex(address.bytes));
    if (record === undefined || equalsBytes(record.codeHash, KECCAK256_NULL)) return none;
    const hash = toHex(record.codeHash);
    return this.#codes.get(hash) ?? this.#below.code(hash);
  }

  async getCodeSize(address: Address): Promise<number> {
    return (await this.getCode(address)).length;
  }

  async getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    const place = toHex(address.bytes) + toHex(key);
    return this.#slots.get(place) ?? this.#below.slot(place);
  }

  async putStorage(address: Address, key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#write(this.#slots, toHex(address.bytes) + toHex(key), unpadBytes(value));
  }

  async clearStorage(address: Address): Promise<void> {
    const prefix = toHex(address.bytes);
    for (const slot of this.#below.slotsOf(prefix)) this.#write(this.#slots, prefix + slot, none);
    for (const place of this.#slots.keys()) if (place.startsWith(prefix)) this.#write(this.#slots, place, none);
  }

  async checkpoint(): Promise<void> {
    this.#marks.push(this.#undo.length);
  }

  async commit(): Promise<void> {
    assert(this.#marks.pop() !== undefined, 'a commit without a checkpoint');
    if (this.#marks.length === 0) this.#undo.length = 0;
  }

  async revert(): Promise<void> {
    const mark = this.#marks.pop();
    assert(mark !== undefined, 'a revert without a checkpoint');
    while (this.#undo.length > mark) this.#undo.pop()?.();
  }

  clearCaches(): void {}

  /** Over the same reader, with nothing written. */
  shallowCopy(): FlatState {
    return new FlatState(this.#below);
  }

  // There are no roots: nothing in a transaction's execution asks for one.
  getStateRoot(): Promise<Uint8Array> {
    return Promise.reject(new Error('a flat state has no root'));
  }
  setStateRoot(): Promise<void> {
    return Promise.reject(new Error('a flat state has no root'));
  }
  async hasStateRoot(): Promise<boolean> {
    return false;
  }

  #write<Value>(map: Map<string, Value>, key: string, value: Value): void {
    const previous = map.get(key);
    if (this.#marks.length > 0) {
      this.#undo.push(previous === undefined ? () => map.delete(key) : () => map.set(key, previous));
    }
    map.set(key, value);
  }
}

const emptyAccount: AccountRecord = { nonce: 0n, balance: 0n, codeHash: KECCAK256_NULL };

function isSameAccount(a: AccountRecord | null, b: AccountRecord | null): boolean {
  if (a === null || b === null) return a === b;
  return a.nonce === b.nonce && a.balance === b.balance && equalsBytes(a.codeHash, b.codeHash);
}
