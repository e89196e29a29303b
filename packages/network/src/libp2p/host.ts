import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Address, ConnectionGater, Libp2p, PeerId as Libp2pPeerId } from '@libp2p/interface';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { yamux } from '@libp2p/yamux';
import type { Clock, Logger, Meter, Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import type { NatOptions } from '../libp2p-network.ts';
import { createGossipSub, type PubSub, type PubSubFactory } from '../pubsub.ts';
import { isRelayed, relayedListen } from '../relayed-address.ts';
import type { RelayedStreams } from '../relayed-streams.ts';
import { createQuietLogger, nativeTcp, nativeTls } from '../tls/index.ts';
import { type KeptCircuitsDependencies, keptCircuits } from './kept-circuits.ts';
import { circuitAddresses, natServices } from './nat.ts';
import { openPeerBook } from './peer-book.ts';
import { relayedTransport } from './relayed-transport.ts';

/** Limits of one libp2p host. */
export const hostLimits = {
  connectionsMax: 256,
  /** Handshakes under way at once, and new connections a second from one address (a machine, a hospital's NAT). */
  pendingConnectionsMax: 64,
  connectionsPerSecondMax: 50,
  parallelDialsMax: 16,
  dialMs: 5_000,
  /** Of a peer that can be reached through a relay too, one address is tried for so long. */
  addressDialMs: 2_000,
  /** A connection or stream whose negotiation takes longer is closed: somebody who connects and says nothing. */
  negotiationMs: 8_000,
  /** Streams of one protocol on one connection, each way. */
  streamsMax: 64,
  /** What a peer may send before the reader has read: below {@link readBufferBytesMax}, or a pause would reset it. */
  windowBytesMax: 2 * 1024 * 1024,
  readBufferBytesMax: 4 * 1024 * 1024,
  /** Peer store: addresses not heard of for so long are dropped. */
  addressAgeMs: 7 * 24 * 3_600_000,
} as const;

export const kadProtocol = '/pulsemesh/kad/1.0.0';

export interface HostOptions {
  readonly identityKeyBytes: Uint8Array;
  readonly listen: readonly string[];
  /** Streams through relays; addresses of this kind are tried last. */
  readonly relayed: RelayedStreams | undefined;
  /** False: no TCP, neither inward nor outward. */
  readonly isDirect: boolean;
  readonly nat: NatOptions;
  /** Which of the host's own addresses others are told. */
  readonly isAnnounced: (address: string) => boolean;
  /** Whether a peer may be connected at all. */
  readonly isAllowed: (peer: PeerId) => boolean;
  /** Bootstraps do without. */
  readonly hasPubSub: boolean;
  /** Default: gossipsub. */
  readonly pubSub?: PubSubFactory;
  readonly dataDirectory: string | undefined;
}

/** A libp2p node that has not been started. */
export interface Host {
  readonly libp2p: Libp2p;
  readonly pubsub: PubSub | undefined;
  /** Closes the peer store; after the node was stopped. */
  close(): Promise<void>;
}

/** TCP and relayed streams, TLS 1.3 (noise where a peer lacks it), yamux, identify, ping, Kademlia in a network of its own. */
export async function createHost(
  options: HostOptions,
  dependencies: { readonly clock: Clock; readonly random: Random; readonly logger: Logger; readonly meter?: Meter },
): Promise<Host> {
  const { dataDirectory, relayed } = options;
  const book = dataDirectory === undefined ? undefined : await openPeerBook(dataDirectory, dependencies);
  const config: Libp2pOptions = {
    start: false,
    // DEBUG=libp2p:* asks libp2p for its own lines, as everywhere.
    ...(process.env['DEBUG'] === undefined ? { logger: createQuietLogger() } : {}),
    nodeInfo: { name: 'pulsemesh', version: '0.1.0', userAgent: 'pulsemesh/0.1.0' },
    privateKey: privateKeyFromRaw(options.identityKeyBytes),
    ...waysIn(options, dependencies),
    connectionEncrypters: [nativeTls({}, dependencies), noise()],
    streamMuxers: [
      yamux({
        streamOptions: {
          maxStreamWindowSize: hostLimits.windowBytesMax,
          maxReadBufferLength: hostLimits.readBufferBytesMax,
        },
      }),
    ],
    connectionGater: createGater(options.isAllowed),
    connectionManager: {
      maxConnections: hostLimits.connectionsMax,
      maxIncomingPendingConnections: hostLimits.pendingConnectionsMax,
      inboundConnectionThreshold: hostLimits.connectionsPerSecondMax,
      maxParallelDials: hostLimits.parallelDialsMax,
      dialTimeout: hostLimits.dialMs,
      addressSorter: directFirst,
      ...(relayed === undefined ? {} : { addressDialTimeout: hostLimits.addressDialMs }),
      inboundUpgradeTimeout: hostLimits.negotiationMs,
      inboundStreamProtocolNegotiationTimeout: hostLimits.negotiationMs,
      outboundStreamProtocolNegotiationTimeout: hostLimits.negotiationMs,
      reconnectRetries: 0, // the roster redials
    },
    // The hello channel's beats do its work; it aborts sound connections of a busy machine.
    connectionMonitor: { enabled: false },
    peerStore: { maxAddressAge: hostLimits.addressAgeMs, maxPeerAge: hostLimits.addressAgeMs },
    ...(book === undefined ? {} : { datastore: book.datastore }),
  };
  const services = {
    identify: identify(),
    ping: ping(),
    dht: kadDHT({
      protocol: kadProtocol,
      clientMode: false,
      peerInfoMapper: passthroughMapper,
      allowQueryWithZeroPeers: true,
    }),
    ...natServices(options.nat),
  };
  if (!options.hasPubSub) {
    const libp2p = await createLibp2p({ ...config, services });
    return { libp2p, pubsub: undefined, close: async () => book?.close() };
  }
  const libp2p = await createLibp2p({
    ...config,
    services: { ...services, pubsub: options.pubSub ?? createGossipSub() },
  });
  return { libp2p, pubsub: libp2p.services.pubsub, close: async () => book?.close() };
}

/** Where the host listens, and by what it dials. */
function waysIn(
  options: HostOptions,
  dependencies: KeptCircuitsDependencies,
): Pick<Libp2pOptions, 'addresses' | 'transports'> {
  const { relayed, isDirect, nat } = options;
  return {
    addresses: {
      listen: [
        ...(isDirect ? [...options.listen, ...circuitAddresses(nat)] : []),
        ...(relayed === undefined ? [] : [relayedListen]),
      ],
      announceFilter: (addresses) => addresses.filter((address) => options.isAnnounced(address.toString())),
    },
    transports: [
      ...(isDirect ? [nativeTcp()] : []),
      // Before libp2p's own circuits, whose addresses look the same: what our relays know is dialled through them.
      ...(relayed === undefined ? [] : [relayedTransport(relayed, dependencies)]),
      ...(isDirect && nat.circuitRelay === 'client' ? [keptCircuits(dependencies)] : []),
    ],
  };
}

function createGater(isAllowed: (peer: PeerId) => boolean): ConnectionGater {
  const isDenied = (peer: Libp2pPeerId) => !isAllowed(peer.toString() as PeerId); // libp2p's text form is ours
  return {
    denyDialPeer: isDenied,
    denyInboundEncryptedConnection: isDenied,
    denyOutboundEncryptedConnection: isDenied,
    denyInboundRelayReservation: isDenied,
    denyOutboundRelayedConnection: (from, to) => isDenied(from) || isDenied(to),
    denyInboundRelayedConnection: (_relay, from) => isDenied(from),
    // The default refuses private and loopback addresses in browsers only; here they are the rule.
    denyDialMultiaddr: () => false,
  };
}

// libp2p's own order takes a relay for better than a private address, which in a hospital is the near one.
function directFirst(one: Address, other: Address): -1 | 0 | 1 {
  const isOneRelayed = isRelayed(one.multiaddr);
  if (isOneRelayed === isRelayed(other.multiaddr)) return 0;
  return isOneRelayed ? 1 : -1;
}
