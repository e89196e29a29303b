/** A place the platform keeps small secrets in: unlocked with the user's log-in, or bound to the machine. */
export interface KeyStore {
  /** Which one: kept in the identity file, so that a start with another one says so. */
  readonly name: string;
  /** The secret under `account` (0-9 a-z -), or null when there is none. @throws {KeyStoreError} */
  get(account: string): Promise<Uint8Array | null>;
  /** Keeps `secret` (at most 1 KiB) under `account`; it is there when this resolves. @throws {KeyStoreError} */
  put(account: string, secret: Uint8Array): Promise<void>;
}
