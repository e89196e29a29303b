import type { Clock, Logger } from '@pulsemesh/base';
import type { NetworkPort, RpcClient } from '@pulsemesh/network';
import type {
  AlertView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientView,
  RelaySessionView,
  RelayTransport,
  WindowView,
} from '../api/types.ts';
import type { PeerStatus } from '../status/status.ts';
import { type GatewayBackend, NotFoundError } from './backend.ts';
import { NotHereError } from './consent-backend.ts';
import { disclaimer } from './mesh-backend.ts';
import { PeerWatch } from './peer-watch.ts';

export interface QuietBackendDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ownStatus: () => PeerStatus;
  readonly ownMetrics: () => Promise<string>;
  readonly moveOwn: (relay: string, transport: RelayTransport) => Promise<void>;
}

/** A backend for a node that has no patients: the network, and nothing of anybody's heart. Dispose to stop. */
export class QuietBackend implements GatewayBackend, Disposable {
  readonly #options: { readonly name: string; readonly version: string };
  readonly #deps: QuietBackendDependencies;
  readonly #startedMs: number;
  readonly #peers: PeerWatch;
  readonly #handlers = new Set<(event: LiveEvent) => void>();

  constructor(options: { readonly name: string; readonly version: string }, deps: QuietBackendDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
    this.#peers = new PeerWatch({}, deps, () => {
      for (const handler of this.#handlers) handler({ type: 'network', network: this.network() });
    });
  }

  [Symbol.dispose](): void {
    this.#peers[Symbol.dispose]();
    this.#handlers.clear();
  }

  overview(): Overview {
    return {
      ...this.#options,
      startedMs: this.#startedMs,
      nowMs: this.#deps.clock.now(),
      replaySpeed: null,
      inboxUrl: null,
      counts: { readings: 0, windows: 0, predictions: 0, alertsOpen: 0, notifications: 0 },
      disclaimer,
    };
  }

  network(): NetworkView {
    return this.#peers.view();
  }

  moveRelay(peer: string, relay: string, transport: RelayTransport): Promise<RelaySessionView> {
    return this.#peers.moveRelay(peer, relay, transport);
  }

  patients(): readonly PatientView[] {
    return [];
  }

  async registerPatient(): Promise<PatientView> {
    throw new NotHereError('home');
  }

  async updatePatient(): Promise<PatientView> {
    throw new NotFoundError('patient');
  }

  async readings(): Promise<readonly LiveReading[]> {
    throw new NotFoundError('patient');
  }

  async windows(): Promise<readonly WindowView[]> {
    throw new NotFoundError('patient');
  }

  alerts(): readonly AlertView[] {
    return [];
  }

  async acknowledge(): Promise<AlertView> {
    throw new NotFoundError('alert');
  }

  subscribe(handler: (event: LiveEvent) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  metrics(): Promise<string> {
    return this.#deps.ownMetrics();
  }
}
