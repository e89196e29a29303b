import type { Clock, Logger, Meter, Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { ElectionOptions } from './bootstrap-election.ts';
import type { NetworkPort, RoleName } from './port.ts';
import type { PubSub, PubSubFactory } from './pubsub.ts';
import type { RelayedStreams } from './relayed-streams.ts';
import type { RosterOptions } from './roster.ts';

/** What libp2p offers against address translation; all of it off unless asked for. */
export interface NatOptions {
  /** Ask peers whether this node's public addresses can be dialled (autonat). They learn those addresses. Default false. */
  readonly autonat?: boolean;
  /**
   * `client`: keep a place at each of `relays`, and dial peers through theirs. `server`: give places to whom the allow-list
   * lets in, without limits on what passes; an open relay where there is no such list. Default `off`: Pulsemesh's own relays
   * (`relayed`) keep mailboxes too and pass where only HTTPS does.
   */
  readonly circuitRelay?: 'off' | 'client' | 'server';
  /** Multiaddrs of circuit relays, with their peer ids; at most 8. */
  readonly relays?: readonly string[];
  /**
   * Replace connections through a circuit relay by direct ones where a peer's address can be dialled from outside (dcutr).
   * Needs `circuitRelay: 'client'`. Default false. Node cannot dial from the port it listens at, so two peers that are both
   * behind address translation stay on the relay.
   */
  readonly holePunching?: boolean;
}

/** A bootstrap that this node runs because it was elected. Disposing it retires it. */
export interface ElectedBootstrap extends AsyncDisposable {
  readonly id: PeerId;
}

export interface Libp2pNetworkOptions {
  /** The node's Ed25519 key, 64 bytes: seed, then public key (`identity`'s `libp2pPrivateKeyBytes`). */
  readonly identityKeyBytes: Uint8Array;
  /** Multiaddrs to listen at, e.g. `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one. */
  readonly listen: readonly string[];
  /** Streams through relays, for peers that cannot be dialled: `/p2p/RELAY/p2p-circuit/p2p/PEER`. */
  readonly relayed?: RelayedStreams;
  /** False: TCP is used neither inward nor outward, `listen` is ignored, relays are the only way. Default true. */
  readonly isDirect?: boolean;
  readonly nat?: NatOptions;
  /** Multiaddrs of peers to begin with: bootstraps, and ordinary peers too. Dialled for as long as the node runs. */
  readonly bootstrap: readonly string[];
  /** Only `['bootstrap']`: the node serves hello, identify and the DHT, and nothing else. */
  readonly roles: readonly RoleName[];
  /** Where addresses of peers are kept over a restart; without, in memory. One node per directory. */
  readonly dataDirectory?: string;
  /** Peers that data and keys are given to, and that may serve roles. */
  readonly trust: { readonly peers: 'all' | readonly string[] };
  /** Allow-list of peers that may be connected at all; without, everybody. */
  readonly allow?: readonly string[];
  /** Whether to tell others loopback addresses, for networks on one machine. Default: only if there are no others. */
  readonly announceLoopback?: boolean;
  /**
   * Elect a successor when every bootstrap is gone. Default true; never for a bootstrap itself, and a peer without a listen
   * address of its own does not stand.
   */
  readonly elects?: boolean;
  readonly election?: Partial<ElectionOptions>;
  readonly roster?: Partial<RosterOptions>;
  /** What the operator's page shows for this process. Default: the process's own id. */
  readonly pid?: number;
  /** Set for the host that an elected node starts. */
  readonly isSuccessor?: boolean;
}

export interface Libp2pNetworkDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  readonly meter?: Meter;
  /** Publish/subscribe, handed in because what makes it may be a neighbour of this package. Default: gossipsub. */
  readonly pubSub?: PubSubFactory;
  /**
   * Starts a bootstrap when this node is elected. Default: one more libp2p host in this process, with a fresh
   * identity, on the same interfaces and free ports. Its peers must be told by `isSuccessor` that it is one.
   */
  readonly onElected?: () => Promise<ElectedBootstrap>;
}

/** The network over libp2p. Dispose to leave: the others are told, then every connection is closed. */
export interface Libp2pNetwork extends NetworkPort, AsyncDisposable {
  /** Where this node can be dialled, with its peer id. */
  addresses(): readonly string[];
  /** Peers there is a connection to, sorted. */
  connections(): readonly PeerId[];
  /** Undefined for a bootstrap. */
  readonly pubsub: PubSub | undefined;
}

/**
 * Starts a node of the libp2p network.
 * @throws whatever libp2p throws when no listen address can be bound.
 */
export async function startLibp2pNetwork(
  options: Libp2pNetworkOptions,
  dependencies: Libp2pNetworkDependencies,
): Promise<Libp2pNetwork> {
  // Loaded when first needed: a simulation or a test over the memory network does without libp2p.
  const { startDriver } = await import('./libp2p/start.ts');
  return startDriver(options, dependencies);
}
