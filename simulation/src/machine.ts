import {
  type Clock,
  createSeededRandom,
  type Logger,
  type Meter,
  type Random,
  silentLogger,
  silentMeter,
} from '@pulsemesh/base';
import { type Box, createBox } from '@pulsemesh/crypto';
import { createRpcClient, type LivePeer, type NetworkPort, type RoleName, type RpcClient } from '@pulsemesh/network';
import type { MemoryNetwork } from '@pulsemesh/network/testing';
import { createMemoryRecords, createMemoryTables, type RecordStore, type TableStore } from '@pulsemesh/store';
import { type DiskOptions, type MountedDisk, mountDisk } from './disk.ts';

export type PeerName = LivePeer['id'];

/** What a process on a simulated machine works with; all of it dies with the process, but for what is on disk. */
export interface Environment {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly tables: TableStore;
  readonly records: RecordStore;
  readonly box: Box;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

export interface MachineOptions extends DiskOptions {
  readonly name: string;
  readonly roles: readonly RoleName[];
  /** Starts what runs here; what it returns is never disposed: processes here end by being killed. */
  readonly start: (environment: Environment) => Promise<void>;
}

export interface MachineDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: MemoryNetwork;
  readonly logger?: Logger;
}

interface Life {
  readonly clock: CutClock;
  readonly disk: MountedDisk;
}

/** One machine with a disk, on which one process runs, is killed and runs again. */
export class Machine {
  readonly id: PeerName;
  readonly name: string;
  /** What is on disk, for the checker. */
  readonly held: { readonly tables: TableStore; readonly records: RecordStore };
  readonly #options: MachineOptions;
  readonly #deps: MachineDependencies;
  readonly #boxKey: Uint8Array;
  #life: Life | undefined;

  constructor(options: MachineOptions, dependencies: MachineDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.name = options.name;
    this.id = `12D3KooWSim${options.name}` as PeerName; // a name, never parsed
    this.held = { tables: createMemoryTables(), records: createMemoryRecords({ random: dependencies.random }) };
    this.#boxKey = dependencies.random.bytes(32);
  }

  /** The box this machine's processes seal with. */
  box(random: Random): Box {
    return createBox(this.#boxKey, { random });
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  async start(): Promise<void> {
    if (this.#life !== undefined) return;
    const random = createSeededRandom(this.#deps.random.integer(2 ** 32));
    const clock = new CutClock(this.#deps.clock);
    const disk = mountDisk(this.held, this.#options, { clock, random });
    this.#life = { clock, disk };
    const port = this.#deps.network.join({ id: this.id, roles: this.#options.roles });
    const logger = (this.#deps.logger ?? silentLogger).child({ machine: this.name });
    await this.#options.start({
      port,
      rpc: createRpcClient({ port, clock }),
      tables: disk.tables,
      records: disk.records,
      box: this.box(random),
      clock,
      random,
      logger,
      meter: silentMeter,
    });
  }

  /** SIGKILL: nothing is said, nothing is flushed. */
  async kill(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    life.clock.cut();
    this.#deps.network.kill(this.id);
    await life.disk.cut();
  }
}

/** A clock whose timers die with the process that set them. */
class CutClock implements Clock {
  readonly #inner: Clock;
  #isCut = false;

  constructor(inner: Clock) {
    this.#inner = inner;
  }

  cut(): void {
    this.#isCut = true;
  }

  /** Whole milliseconds, as the machine's clock gives them. */
  now(): number {
    return Math.floor(this.#inner.now());
  }

  monotonicMs(): number {
    return this.#inner.monotonicMs();
  }

  setTimer(action: () => void, delayMs: number) {
    if (this.#isCut) return { cancel: () => {} };
    return this.#inner.setTimer(() => {
      if (!this.#isCut) action();
    }, delayMs);
  }
}
