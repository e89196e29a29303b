import type { WaitOptions } from '@pulsemesh/base';
import type { EntryBodies } from './entries/bodies.ts';
import type { AnyBoardEntry, BoardEntry, EntryKind } from './entry.ts';

/** Whoever signs entries: an `Identity` of @pulsemesh/identity fits. */
export interface Author {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte signature. */
  sign(message: Uint8Array): Uint8Array;
}

/** An entry that is in the log for good. */
export interface PublishedEntry {
  readonly index: number;
  readonly id: string;
  /** C2SP tlog-proof: verifies offline, with the board's and the witnesses' keys alone. */
  readonly receipt: Uint8Array;
}

/** A board as its users see it: everything it gives was verified, and whatever does not verify is told as evidence. */
export interface Board extends AsyncDisposable {
  /** Entries verified so far. */
  readonly size: number;
  /** Verified entries of one kind, in order; `limit` newest. */
  entries<Kind extends EntryKind>(kind: Kind): readonly BoardEntry<Kind>[];
  entry(id: string): AnyBoardEntry | null;
  /** Called with every verified entry in order, from the first on. */
  onEntry(handler: (entry: AnyBoardEntry) => void): Disposable;
  /** Asks for what is new; resolves when it is verified. @throws {BoardUnreachableError}; {BoardLiedError} with evidence. */
  refresh(options?: WaitOptions): Promise<void>;
  /** Adds an entry; resolves when it is durable, included and countersigned by the quorum. Repeating it gives the first answer. */
  publish<Kind extends EntryKind>(
    kind: Kind,
    body: EntryBodies[Kind],
    author: Author,
    options?: WaitOptions,
  ): Promise<PublishedEntry>;
  receipt(index: number, options?: WaitOptions): Promise<Uint8Array>;
}
