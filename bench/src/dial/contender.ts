import type { TlsPair } from '../link/contender.ts';

/** A listening side. */
export interface RunningListener {
  /** What the dialling side is told. */
  readonly address: string;
  stop(): Promise<void>;
}

/** The dialling side, with one listener to dial. */
export interface Dialler {
  /** Opens a secure connection until it could be used, and gives what closes it. */
  dial(): Promise<() => Promise<void>>;
  /** Sends so many bytes over one connection in 64 KiB writes, and resolves when the listener has them all. */
  send(bytes: number): Promise<void>;
  stop(): Promise<void>;
}

/** A way of making secure connections. */
export interface Contender {
  readonly name: string;
  /** Runs in the listener's process. */
  listen(pair: TlsPair): Promise<RunningListener>;
  createDialler(address: string, pair: TlsPair): Promise<Dialler>;
}

/** One write of the bulk transfer, bytes. */
export const pieceBytes = 64 * 1024;
