import { Condition } from '@pulsemesh/base';
import type {
  AlertView,
  LiveEvent,
  LiveReading,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  RelaySessionView,
  RelayTransport,
  WindowView,
} from '../api/types.ts';

/** There is nothing of that name. Not retryable. */
export class NotFoundError extends Condition {
  override readonly name = 'NotFoundError';
  constructor(what: 'patient' | 'alert' | 'peer' | 'relay session' | 'grant' | 'custodian') {
    super('not-found', `there is no such ${what}`, { facts: { what } });
  }
}

/** The wearable's name is registered already. Not retryable. */
export class AlreadyRegisteredError extends Condition {
  override readonly name = 'AlreadyRegisteredError';
  constructor() {
    super('already-registered', 'a patient with this userId is registered already');
  }
}

/** What the HTTP API serves: the gateway's view of the mesh. The routes know nothing else. */
export interface GatewayBackend {
  overview(): Overview;
  network(): NetworkView;
  /**
   * Moves a peer's session with a relay to another transport.
   * @throws {NotFoundError}; a Condition where the transport does not pass, or the peer is away.
   */
  moveRelay(peer: string, relay: string, transport: RelayTransport): Promise<RelaySessionView>;
  patients(): readonly PatientView[];
  /** @throws {AlreadyRegisteredError}; a Condition where a field is refused. */
  registerPatient(input: PatientInput): Promise<PatientView>;
  /** @throws {NotFoundError}; a Condition where a field is refused. */
  updatePatient(subject: string, input: PatientInput): Promise<PatientView>;
  /** What storage holds, oldest first. @throws {NotFoundError}; retryable Conditions of the network. */
  readings(subject: string, fromMs: number, untilMs: number): Promise<readonly LiveReading[]>;
  /** What storage holds, oldest first. @throws {NotFoundError}; retryable Conditions of the network. */
  windows(subject: string, fromMs: number, untilMs: number): Promise<readonly WindowView[]>;
  /** Newest first. */
  alerts(): readonly AlertView[];
  /** Durable when it resolves; a second one changes nothing. @throws {NotFoundError}; retryable Conditions. */
  acknowledge(alertId: string, by: string): Promise<AlertView>;
  /** Calls back with everything that changes. */
  subscribe(handler: (event: LiveEvent) => void): Disposable;
  /** Prometheus text of every peer that can be reached. */
  metrics(): Promise<string>;
}
