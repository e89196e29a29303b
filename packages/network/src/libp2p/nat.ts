import { autoNAT } from '@libp2p/autonat';
import { type CircuitRelayServerInit, circuitRelayServer } from '@libp2p/circuit-relay-v2';
import { dcutr } from '@libp2p/dcutr';
import { BadRequestError } from '../errors.ts';
import type { NatOptions } from '../libp2p-network.ts';

export const natLimits = {
  /** Circuit relays one node keeps a place at. */
  relaysMax: 8,
  /** Places one relay gives; libp2p's default of 15 is less than a ward. */
  reservationsMax: 128,
  reservationMs: 2 * 3_600_000,
  /** Streams of one connection for asking and for joining, each way. */
  hopStreamsMax: 64,
} as const;

// Without libp2p's 128 KiB and two minutes per connection: on a limited connection most protocols do not run at all, and
// every sixth ping is lost. Who may reserve is the gater's business.
const relayServer: CircuitRelayServerInit = {
  reservations: {
    maxReservations: natLimits.reservationsMax,
    reservationTtl: natLimits.reservationMs,
    applyDefaultLimit: false,
  },
  maxInboundHopStreams: natLimits.hopStreamsMax,
  maxOutboundHopStreams: natLimits.hopStreamsMax,
};

/** The libp2p services that `nat` asks for, by name. */
export function natServices(nat: NatOptions) {
  return {
    ...(nat.autonat === true ? { autonat: autoNAT() } : {}),
    ...(nat.circuitRelay === 'server' ? { circuitRelay: circuitRelayServer(relayServer) } : {}),
    ...(nat.holePunching === true && nat.circuitRelay === 'client' ? { holePunching: dcutr() } : {}),
  };
}

/** The listen addresses at the circuit relays `nat` names. @throws {BadRequestError} when they are more than the limit. */
export function circuitAddresses({ circuitRelay, relays = [] }: NatOptions): string[] {
  if (relays.length > natLimits.relaysMax) throw new BadRequestError('too many circuit relays');
  return circuitRelay === 'client' ? relays.map((relay) => `${relay}/p2p-circuit`) : [];
}
