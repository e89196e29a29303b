import { type Clock, Condition, type Random } from '@pulsemesh/base';
import { toHex } from '@pulsemesh/wire';
import type { Carrier, CarrierHandler, ConnectionFacts, TransportName } from '../carrier.ts';

/** How a pair of carriers in memory behaves; by default at once, without loss, without end. Chances are 0 … 1 a packet. */
export interface MemoryCarrierOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport?: TransportName;
  /** One way; 0: at the next microtask, without the clock. */
  readonly delayMs?: number;
  /** More delay, drawn for each packet; order on the carrier is kept. */
  readonly jitterMs?: number;
  readonly loss?: number;
  readonly duplicates?: number;
  /** Each packet on its way is handed to this first; null drops it. For attackers. */
  readonly tamper?: (packet: Uint8Array, direction: MemoryDirection) => Uint8Array | null;
  /** `packetBytesMax` of both ends; longer packets are dropped. Default 256 KiB. */
  readonly bytesMax?: number;
  /** Bytes under way in a direction past which it is not writable. Default 1 MiB. */
  readonly highWaterBytes?: number;
  /** The server can send only while a poll waits, the agent only while no request of its own is under way. */
  readonly isPoll?: boolean;
  readonly connection?: ConnectionFacts;
}

export type MemoryDirection = 'to-server' | 'to-agent';

export interface MemoryCarrierPair {
  readonly agent: Carrier;
  readonly server: Carrier;
  /** Both ends learn that it broke; what is under way is lost. */
  cut(reason?: Condition): void;
  /** From now on nothing arrives, and nobody is told. */
  blackhole(): void;
  /** From now on longer packets are dropped, and both ends know. */
  limitBytes(bytesMax: number): void;
  /** Puts a packet of somebody else on the way. */
  inject(direction: MemoryDirection, packet: Uint8Array): void;
  readonly isClosed: boolean;
}

/** Two joined carriers without sockets. */
export function createMemoryCarrierPair(options: MemoryCarrierOptions): MemoryCarrierPair {
  const shared: Shared = {
    options,
    id: toHex(options.random.bytes(16)),
    bytesMax: options.bytesMax ?? 256 * 1024,
    isBlackhole: false,
    isCut: false,
  };
  const agent = new MemoryCarrier(shared, 'to-server');
  const server = new MemoryCarrier(shared, 'to-agent');
  agent.peer = server;
  server.peer = agent;
  const cut = (reason: Condition) => {
    shared.isCut = true;
    agent.over(reason);
    server.over(reason);
  };
  return {
    agent,
    server,
    cut: (reason = new Condition('cut', 'the carrier was cut', { retryable: true })) => cut(reason),
    blackhole() {
      shared.isBlackhole = true;
    },
    limitBytes(bytesMax) {
      shared.bytesMax = bytesMax;
      agent.becameWritable();
      server.becameWritable();
    },
    inject: (direction, packet) => (direction === 'to-agent' ? agent : server).deliver(packet),
    get isClosed() {
      return agent.isOver;
    },
  };
}

interface Shared {
  readonly options: MemoryCarrierOptions;
  readonly id: string;
  bytesMax: number;
  isBlackhole: boolean;
  isCut: boolean;
}

class MemoryCarrier implements Carrier {
  peer: MemoryCarrier | null = null;
  isOver = false;
  readonly #shared: Shared;
  readonly #direction: MemoryDirection;
  #handler: CarrierHandler | null = null;
  /** Events before `start`. */
  #early: Uint8Array[] = [];
  #isOverEarly: { readonly reason: Condition | null } | null = null;
  #bytesUnderWay = 0;
  #lastDueMs = 0;
  /** Of a poll: false while a request or an answer is under way. */
  #isTurn = true;

  constructor(shared: Shared, direction: MemoryDirection) {
    this.#shared = shared;
    this.#direction = direction;
  }

  get transport(): TransportName {
    return this.#shared.options.transport ?? (this.#shared.options.isPoll === true ? 'long-poll' : 'websocket');
  }

  get id(): string {
    return this.#shared.id;
  }

  get packetBytesMax(): number {
    return this.#shared.bytesMax;
  }

  get connection(): ConnectionFacts {
    return this.#shared.options.connection ?? {};
  }

  get isWritable(): boolean {
    return !this.isOver && this.#isTurn && this.#bytesUnderWay < (this.#shared.options.highWaterBytes ?? 1024 * 1024);
  }

  start(handler: CarrierHandler): void {
    this.#handler = handler;
    for (const packet of this.#early.splice(0)) handler.onPacket(packet);
    if (this.#isOverEarly !== null) handler.onClosed(this.#isOverEarly.reason);
  }

  send(packet: Uint8Array): void {
    if (!this.isWritable || packet.length > this.#shared.bytesMax) return;
    const { random, loss = 0, duplicates = 0, tamper, isPoll = false } = this.#shared.options;
    this.#bytesUnderWay += packet.length;
    if (isPoll) this.#endTurn();
    const isLost = loss > 0 && random.float() < loss;
    const copies = duplicates > 0 && random.float() < duplicates ? 2 : 1;
    this.#later(() => {
      this.#bytesUnderWay -= packet.length;
      if (!isLost && !this.#shared.isBlackhole && this.peer !== null) {
        const arrived = tamper === undefined ? packet : tamper(packet, this.#direction);
        for (let copy = 0; arrived !== null && copy < copies; copy += 1) this.peer.deliver(arrived.slice());
      }
      if (!isPoll) this.becameWritable();
    });
  }

  /** The answer to a poll carries what is sent in this turn; then the next poll must come. */
  #endTurn(): void {
    queueMicrotask(() => {
      if (!this.#isTurn) return;
      this.#isTurn = false;
      this.#later(() =>
        this.#later(() => {
          this.#isTurn = true;
          this.becameWritable();
        }),
      );
    });
  }

  #later(action: () => void): void {
    const { clock, random, delayMs = 0, jitterMs = 0 } = this.#shared.options;
    const run = () => {
      if (!this.#shared.isCut) action();
    };
    if (delayMs === 0 && jitterMs === 0) {
      queueMicrotask(run);
      return;
    }
    const nowMs = clock.monotonicMs();
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + delayMs + jitterMs * random.float());
    clock.setTimer(run, this.#lastDueMs - nowMs);
  }

  deliver(packet: Uint8Array): void {
    if (this.isOver) return;
    if (this.#handler === null) this.#early.push(packet);
    else this.#handler.onPacket(packet);
  }

  becameWritable(): void {
    if (this.isWritable) this.#handler?.onWritable();
  }

  over(reason: Condition | null): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.#handler === null) this.#isOverEarly = { reason };
    else this.#handler.onClosed(reason);
  }

  close(reason: Condition | null): void {
    if (this.isOver) return;
    const { peer } = this;
    const { clock, delayMs = 0, jitterMs = 0 } = this.#shared.options;
    this.over(reason);
    // What was sent before arrives before.
    if (delayMs === 0 && jitterMs === 0) queueMicrotask(() => peer?.over(null));
    else clock.setTimer(() => peer?.over(null), Math.max(0, this.#lastDueMs - clock.monotonicMs()));
  }
}
