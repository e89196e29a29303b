import type { Clock, Logger, Timer } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { MulticastError } from './errors.ts';
import { createOnLink, type LanNetwork } from './lan-networks.ts';
import type { Family, HelloSource, LanPeer, Spot } from './lan-peer.ts';
import type { LanOutput, LanView } from './lan-view.ts';
import type { HelloSocket, OpenHellos } from './multicast.ts';

/** What a segment needs from around it. */
export interface LanSegmentDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly open: OpenHellos;
  /** Dials; resolves however it ends, having told the view. */
  readonly dial: (segment: LanSegment, output: Extract<LanOutput, { kind: 'dial' }>) => Promise<void>;
  readonly count: (what: string) => void;
}

/** One interface: its view, the sockets that feed it, and its timer. */
export class LanSegment implements AsyncDisposable {
  readonly networks: readonly LanNetwork[];
  readonly view: LanView;
  readonly #deps: LanSegmentDependencies;
  readonly #sockets = new Map<Family, HelloSocket>();
  readonly #onLink: ((address: string) => boolean)[];
  readonly #troubles = new Map<Family, string>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(networks: readonly LanNetwork[], view: LanView, dependencies: LanSegmentDependencies) {
    this.networks = networks;
    this.view = view;
    this.#deps = dependencies;
    this.#onLink = networks.map(createOnLink);
  }

  get peers(): readonly LanPeer[] {
    return this.view.peers;
  }

  /** Whether an address without a zone is on this link. */
  has({ family, address }: Spot): boolean {
    return this.networks.some((network, index) => network.family === family && this.#onLink[index]?.(address));
  }

  network(family: Family): LanNetwork | undefined {
    return this.networks.find((network) => network.family === family);
  }

  /** Opens the sockets that are not open, and says hello where the node listens at `ports`. */
  async tend(ports: Partial<Record<Family, number>>): Promise<void> {
    for (const network of this.networks) {
      if (!this.#isClosed && !this.#sockets.has(network.family)) await this.#open(network);
    }
    this.#run((nowMs) => {
      this.view.setPorts(ports, nowMs);
      return [];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
  }

  /** A dial that the view asked for has ended. */
  dialled(key: string, peer: PeerId | null): void {
    this.#run((nowMs) => {
      this.view.dialled(key, peer, nowMs);
      return [];
    });
  }

  async #open(network: LanNetwork): Promise<void> {
    const { family } = network;
    try {
      const socket = await this.#deps.open(network, {
        onHello: (bytes, from: HelloSource) => this.#run((nowMs) => this.view.receive(bytes, from, nowMs)),
        onError: (error) => void this.#failed(network, error),
        onStranger: () => this.#deps.count('off-link'),
      });
      if (this.#isClosed) return await socket[Symbol.asyncDispose]();
      this.#sockets.set(family, socket);
      if (this.#troubles.delete(family)) this.#deps.logger.info('announcements work again', { network: network.name });
    } catch (error) {
      this.#trouble(network, error as MulticastError); // it throws nothing else
    }
  }

  /** A socket without its interface is given up; it is opened again when the next look at the interfaces finds it. */
  async #failed(network: LanNetwork, error: MulticastError): Promise<void> {
    this.#trouble(network, error);
    const socket = this.#sockets.get(network.family);
    if (error.facts['reason'] === 'no-route' || socket === undefined) return; // a cable that comes back
    this.#sockets.delete(network.family);
    await socket[Symbol.asyncDispose]();
  }

  /** Told once, until it works again or is another. */
  #trouble({ family, name }: LanNetwork, error: MulticastError): void {
    const reason = String(error.facts['reason']);
    this.#deps.count(reason);
    if (this.#troubles.get(family) === reason) return;
    this.#troubles.set(family, reason);
    this.#deps.logger.warn('announcements do not work on a network', { network: name, family, reason });
  }

  #run(action: (nowMs: number) => readonly LanOutput[]): void {
    if (this.#isClosed) return;
    for (const output of action(this.#deps.clock.now())) this.#do(output);
    this.#wakeInTime();
  }

  #do(output: LanOutput): void {
    switch (output.kind) {
      case 'announce':
        this.#sockets.get(output.family)?.announce(output.bytes);
        break;
      case 'answer':
        this.#sockets.get(output.to.family)?.answer(output.to, output.bytes);
        break;
      case 'dial':
        void this.#deps.dial(this, output);
        break;
      default:
        this.#deps.count(output.kind);
        this.#deps.logger.debug(`a peer of the local network was ${output.kind}`, { key: output.peer.key });
    }
  }

  #wakeInTime(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { dueAtMs } = this.view;
    if (this.#isClosed || dueAtMs === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#deps;
    const delayMs = Math.min(timerMsMax, Math.max(0, dueAtMs - clock.now()));
    this.#timer = clock.setTimer(() => this.#run((nowMs) => this.view.wake(nowMs)), delayMs);
  }
}

/** What timers wait at most; waking early does no harm. */
const timerMsMax = 60_000;
