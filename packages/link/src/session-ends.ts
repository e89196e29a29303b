import type { Clock, Condition, Logger, Meter, Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Carrier } from './carrier.ts';
import type { LinkIdentity, LinkSession } from './session.ts';

export interface SessionDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Runs an action at the end of this turn of the event loop; batches are cut there. Default: `setImmediate`, or a microtask in browsers. */
  readonly defer?: (action: () => void) => void;
}

/** What an agent shows when it logs in; the signature is already checked. */
export interface LoginClaim {
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  /** DER, own first. */
  readonly certificates: readonly Uint8Array[];
  readonly invitation: Uint8Array | null;
  readonly software: string;
}

/** A server's answer to a login. */
export type Admission =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'guest' }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string };

export interface SessionServerOptions {
  readonly identity: LinkIdentity;
  /** SHA-256 of the DER certificate served now (it can be renewed); null: plaintext. */
  readonly certificateSha256: () => Uint8Array | null;
  /** Judges a login; what it throws refuses the login as `busy`. Default: everybody is admitted. */
  readonly admit?: (claim: LoginClaim) => Admission | Promise<Admission>;
  readonly limits?: Partial<SessionLimits>;
}

/** Limits of one server's sessions; `sessionLimits` has the defaults and what each does when reached. */
export interface SessionLimits {
  readonly sessionsMax: number;
  /** Sessions whose login is not accepted yet. */
  readonly pendingMax: number;
  readonly pendingMs: number;
  readonly graceMs: number;
  readonly streamsMax: number;
  readonly packetBytesMax: number;
  /** Sent, not acknowledged, one session: `write` says false past it. */
  readonly unackedBytesMax: number;
  /** Received early, waiting for a gap to fill, one session. */
  readonly earlyBytesMax: number;
  readonly messageBytesMax: number;
  /** Bytes of credit granted to each stream's sender at first; 256 KiB by the protocol: both ends must mean the same. */
  readonly streamCreditBytes: number;
  readonly carriersPerSessionMax: number;
}

/** The server's end: takes carriers of any transport, makes sessions of them. */
export interface SessionServer extends AsyncDisposable {
  /** Takes a new carrier; its first packet says which session it belongs to. */
  accept(carrier: Carrier): void;
  /** Called for each session whose login was accepted, before anything it sent is given to handlers. */
  onSession(handler: (session: LinkSession) => void): void;
  /** Sessions that live, admitted ones and guests. */
  sessions(): readonly LinkSession[];
  /** Ends every open session of this agent at once (revocation). */
  endSessionsOf(peer: PeerId, reason: Condition): number;
  /** Stops taking sessions and says goodbye (retryable) to those there are, in slices so that not all come back at once. */
  drain(withinMs: number): Promise<void>;
}

export interface ClientSessionOptions {
  readonly identity: LinkIdentity;
  /** The server's peer id; absent: whoever answers, reported in `remote`. */
  readonly server?: PeerId;
  readonly certificates?: readonly Uint8Array[] | (() => readonly Uint8Array[]);
  readonly invitation?: Uint8Array;
  readonly software: string;
  readonly limits?: Partial<SessionLimits>;
}

/** The agent's end: it is given carriers, and told which to use. `connectLink` does both. */
export interface ClientSession extends LinkSession {
  /** Resolves when the login was accepted. @throws {LinkRefusedError}, {ServerImpostorError}, {SessionClosedError}. */
  readonly established: Promise<void>;
  /** True: the login was accepted, but only for methods open to guests. */
  readonly isGuest: boolean;
  /**
   * Adds a carrier: the handshake on the first (several at once race), a ping on later ones. Resolves with the round-trip time in
   * milliseconds once data made a round trip; rejects when the carrier closed before.
   */
  attach(carrier: Carrier): Promise<number>;
  /** Moves both directions to this carrier, without loss. Others stay attached until closed. */
  use(carrier: Carrier): void;
  /** A round trip on this carrier now, milliseconds. */
  probe(carrier: Carrier, options?: { signal?: AbortSignal }): Promise<number>;
  /** Called when a carrier is over. `wasActive`: the session waits for another `use` (or goes to any proven one by itself). */
  onCarrierClosed(handler: (carrier: Carrier, reason: Condition | null, wasActive: boolean) => void): void;
}
