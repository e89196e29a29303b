import { join } from 'node:path';
import type { Clock, Logger, PrometheusMeter, Random } from '@pulsemesh/base';
import { type Box, createBox } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import { createRpcClient, type NetworkPort, type RpcClient } from '@pulsemesh/network';
import type { TableStore } from '@pulsemesh/store';
import type { PeopleClient, PeopleDirectory } from '@pulsemesh/vitals/people';
import type { RecordsClient } from '@pulsemesh/vitals/records';
import type { RelayTransport } from '../api/types.ts';
import type { NodeConfig, NodeSecrets } from '../config/node-config.ts';
import { type RelaySessions, UnknownRelayError } from '../relay/relay-sessions.ts';
import type { PeerStatus } from '../status/status.ts';
import { stopProcess, watchForFailure } from './fail-stop.ts';

/** What the composition root brings from outside. */
export interface NodeDependencies {
  readonly clock: Clock;
  /** The operating system's: keys are made from it. */
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: PrometheusMeter;
}

/**
 * What the roles of one process share. Stores and clients are opened when the first role asks, so that a process
 * loads nothing that its roles do not need; all are closed after the roles, in the reverse order.
 */
export class NodeContext implements AsyncDisposable {
  readonly config: NodeConfig;
  readonly secrets: NodeSecrets;
  readonly deps: NodeDependencies;
  readonly identity: Identity;
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly box: Box;
  readonly stack = new AsyncDisposableStack();
  /** Set once the node is up; roles that show it take it as a function. */
  status: () => PeerStatus;
  /** The node's sessions with relays; null where it has none. */
  readonly relays: RelaySessions | null;
  #tables: Promise<TableStore> | undefined;
  #people: Promise<PeopleClient> | undefined;
  #directory: Promise<PeopleDirectory> | undefined;
  #records: Promise<RecordsClient> | undefined;

  constructor(
    config: NodeConfig,
    secrets: NodeSecrets,
    deps: NodeDependencies,
    identity: Identity,
    port: NetworkPort,
    status: () => PeerStatus,
    relays: RelaySessions | null = null,
  ) {
    this.config = config;
    this.secrets = secrets;
    this.deps = deps;
    this.identity = identity;
    this.port = port;
    this.status = status;
    this.relays = relays;
    this.rpc = this.stack.use(createRpcClient({ port, ...deps }));
    this.box = createBox(identity.nodeBoxKey, deps);
  }

  /**
   * Moves a session with a relay to another transport.
   * @throws {UnknownRelayError} where there is none with that relay; a Condition where the transport does not pass.
   */
  async moveRelay(relay: string, transport: RelayTransport): Promise<void> {
    if (this.relays === null) throw new UnknownRelayError();
    await this.relays.move(relay, transport);
  }

  /** The node's durable tables. */
  tables(): Promise<TableStore> {
    this.#tables ??= this.#openTables();
    return this.#tables;
  }

  /** The people directory seen over the network, or the one in this process where it is the gateway. */
  people(): Promise<PeopleClient> {
    this.#people ??= this.#openPeople();
    return this.#people;
  }

  /** The people directory itself: for the gateway. */
  directory(): Promise<PeopleDirectory> {
    this.#directory ??= this.#openDirectory();
    return this.#directory;
  }

  /** Records, wherever they lie. */
  records(): Promise<RecordsClient> {
    this.#records ??= this.#openRecords();
    return this.#records;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }

  async #openTables(): Promise<TableStore> {
    const { openLmdbTables } = await import('@pulsemesh/store');
    const directory = join(this.config.dataDirectory, 'tables');
    return watchForFailure(this.stack.use(await openLmdbTables({ directory }, this.deps)), stopProcess);
  }

  async #openPeople(): Promise<PeopleClient> {
    const { createLocalPeopleClient, createPeopleClient } = await import('@pulsemesh/vitals/people');
    if (this.config.roles.includes('gateway')) return this.stack.use(createLocalPeopleClient(await this.directory()));
    const tables = await this.tables();
    return this.stack.use(createPeopleClient({ ...this.deps, port: this.port, rpc: this.rpc, tables, box: this.box }));
  }

  async #openDirectory(): Promise<PeopleDirectory> {
    const { openPeopleDirectory } = await import('@pulsemesh/vitals/people');
    return openPeopleDirectory({}, { ...this.deps, tables: await this.tables(), box: this.box });
  }

  async #openRecords(): Promise<RecordsClient> {
    const { createRecordsClient } = await import('@pulsemesh/vitals/records');
    return this.stack.use(createRecordsClient({}, { ...this.deps, port: this.port, rpc: this.rpc }));
  }
}

/** What a started role tells of itself. */
export interface StartedRole {
  /** Ports it listens on, by what they are for. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Subjects it aggregates now. */
  readonly patientCount?: () => number;
  /** How much it still has to do with what it was given; 0 when all is done. */
  readonly pending?: () => number;
}
