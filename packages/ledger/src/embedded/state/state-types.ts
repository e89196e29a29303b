/** An account as it is kept: immutable, so that it may be shared between the cache, the overlay and the database. */
export interface AccountRecord {
  readonly nonce: bigint;
  readonly balance: bigint;
  /** 32 bytes. */
  readonly codeHash: Uint8Array;
}

/** The state of one block, read. Addresses and slots are lower-case hex without 0x: 40 and 64 digits. */
export interface StateReader {
  account(address: string): AccountRecord | undefined;
  /** Without leading zeros; empty for zero. `place` = address followed by slot. */
  slot(place: string): Uint8Array;
  /** By the hex of its Keccak-256. Empty for what is not known. */
  code(hash: string): Uint8Array;
  /** All slots of an address that are not zero. */
  slotsOf(address: string): readonly string[];
}

/** What a block changes: only what differs from before, in no particular order. Null: gone. */
export interface StateChanges {
  readonly accounts: ReadonlyMap<string, AccountRecord | null>;
  readonly slots: ReadonlyMap<string, Uint8Array>;
  readonly codes: ReadonlyMap<string, Uint8Array>;
}
