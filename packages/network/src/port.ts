import type { Brand, Condition, WaitOptions } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';

/** What a node does in the network (DESIGN: words). */
export type RoleName =
  | 'bootstrap'
  | 'ingest'
  | 'storage'
  | 'aggregation'
  | 'prediction'
  | 'notification'
  | 'gateway'
  | 'relay'
  | 'board'
  | 'ledger'
  | 'custodian'
  | 'research';

export const roleNames: readonly RoleName[] = [
  'bootstrap',
  'ingest',
  'storage',
  'aggregation',
  'prediction',
  'notification',
  'gateway',
  'relay',
  'board',
  'ledger',
  'custodian',
  'research',
];

/** A protocol a role serves, `/pulsemesh/<name>/<version>`. */
export type ProtocolName = `/pulsemesh/${string}/${number}`;

/** A peer believed to be alive, as it last announced itself. */
export interface LivePeer {
  readonly id: PeerId;
  readonly roles: readonly RoleName[];
  /** Multiaddrs it can be dialled at. */
  readonly addresses: readonly string[];
  /** The operating system's process id it reported: for the operator's page only. */
  readonly pid: number;
  /** Differs each time the peer's process starts. */
  readonly startedMs: number;
}

/**
 * A bidirectional stream of whole frames between two peers, encrypted and authenticated by the driver.
 * Frames are at most `frameBytesMax` long. Both ends own their end and must close or abort it.
 */
export interface Channel {
  readonly remote: PeerId;
  /**
   * Sends one frame; resolves when the transport has room again (back-pressure), not when it arrived.
   * @throws {ChannelClosedError}; {@link FrameTooLargeError}; `signal.reason`.
   */
  send(frame: Uint8Array, options?: WaitOptions): Promise<void>;
  /**
   * The next frame, or null when the remote has closed its end.
   * @throws {ChannelClosedError} when the channel broke; `signal.reason`.
   */
  receive(options?: WaitOptions): Promise<Uint8Array | null>;
  /** Closes after what was sent; may be called twice, never throws. */
  close(): Promise<void>;
  /** Breaks the channel at once; the remote's waits reject. */
  abort(reason: Condition): void;
}

/** Why the roster believes what it believes about a peer; callers add what they saw themselves. */
export type Evidence = 'unreachable' | 'answered';

/**
 * The small port through which roles see the network. The libp2p driver and the simulator implement
 * it; a relay will. Everything a role does goes through here, so a role runs unchanged over any driver.
 */
export interface NetworkPort {
  readonly self: PeerId;
  readonly frameBytesMax: number;

  /**
   * Opens a channel.
   * @throws {PeerUnreachableError} (retryable); {@link ProtocolRefusedError}; `signal.reason`.
   */
  dial(peer: PeerId, protocol: ProtocolName, options?: WaitOptions): Promise<Channel>;
  /** Answers channels of `protocol`. One handler per protocol; a handler that rejects aborts its channel. */
  serve(protocol: ProtocolName, handler: (channel: Channel) => Promise<void>): Disposable;

  /** Announces to every subscriber that can be reached; at most once, unordered, ≤ 64 KiB. */
  publish(topic: string, data: Uint8Array): Promise<void>;
  subscribe(topic: string, handler: (data: Uint8Array, from: PeerId) => void): Disposable;

  /** Says in the directory (DHT provider records) that this peer has to do with `key`. Queued, rate-limited, retried. */
  provide(key: string): void;
  /** Stops renewing what `provide` said. */
  withdraw(key: string): void;
  /** Peers that said so, best effort: it may know too few and too many. */
  lookUp(key: string, options?: WaitOptions): Promise<readonly PeerId[]>;

  /**
   * Peers believed alive that have `role` (all, without), this one included if it has it. Sorted by id. By role only
   * trusted peers (and bootstraps) are given: anybody can claim a role, and who asks for one hands it something.
   */
  livePeers(role?: RoleName): readonly LivePeer[];
  /** Calls back after each change of {@link livePeers}. */
  onRosterChange(handler: () => void): Disposable;
  /** What the caller saw of a peer: an unreachable one leaves the live peers until it is heard of again. */
  report(peer: PeerId, evidence: Evidence): void;
  /** True for peers this node gives data and keys to (its configuration says who). */
  isTrusted(peer: PeerId): boolean;
}

/** Names a patient in the network: 16 bytes in lower-case hex, says nothing about who it is. */
export type SubjectId = Brand<string, 'SubjectId'>;
