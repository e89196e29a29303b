import type { Clock, Random } from '@pulsemesh/base';
import { toHex } from '@pulsemesh/wire';
import type { Carrier, TransportName } from '../../carrier.ts';

/** What a transport needs to open one carrier. */
export interface ConnectRequest {
  /** The link's URL: scheme, host, port, and a path that all paths of the link stand under. */
  readonly url: URL;
  /** 32 hex digits. */
  readonly id: string;
  /** Remembered body limit, bytes. */
  readonly packetBytesMax?: number;
  /** Remembered poll wait, milliseconds. */
  readonly pollWaitMs?: number;
  /** Aborting ends the attempt; once the carrier is given, it has no effect any more. */
  readonly signal: AbortSignal;
}

export interface CarrierDependencies {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Opens a carrier: resolves when the connection stands, which says nothing yet about data passing.
 * @throws {Condition} with a sentence; `signal.reason`.
 */
export type CarrierConnector = (request: ConnectRequest) => Promise<Carrier>;

/** The ways that exist where the program runs. */
export type CarrierConnectors = Readonly<Partial<Record<TransportName, CarrierConnector>>>;

/** A new carrier id. */
export function drawCarrierId(random: Random): string {
  return toHex(random.bytes(16));
}

/** The path of one of the link's endpoints, under the path of the link's URL. */
export function pathUnder(url: URL, path: string): string {
  return `${url.pathname.replace(/\/+$/, '')}${path}`;
}
