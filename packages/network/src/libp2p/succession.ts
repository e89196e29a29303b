import { type Clock, errorMessage, type Logger, startTicker, type Ticker } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { BootstrapElection, defaultElection, type ElectionOptions } from '../bootstrap-election.ts';
import type { ElectedBootstrap } from '../libp2p-network.ts';
import type { NetworkPort } from '../port.ts';

const tickMs = 500;

export interface SuccessionOptions {
  readonly election?: Partial<ElectionOptions>;
}

export interface SuccessionDependencies {
  readonly network: Pick<NetworkPort, 'self' | 'livePeers' | 'onRosterChange'>;
  readonly isSuccessor: (peer: PeerId) => boolean;
  /** Starts a bootstrap; a failure is logged and tried again. */
  readonly start: () => Promise<ElectedBootstrap>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Watches the bootstraps, and starts and retires this node's own when the election says so. */
export class Succession implements AsyncDisposable {
  readonly #election: BootstrapElection;
  readonly #start: () => Promise<ElectedBootstrap>;
  readonly #network: Pick<NetworkPort, 'self' | 'livePeers' | 'onRosterChange'>;
  readonly #isSuccessor: (peer: PeerId) => boolean;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #ticker: Ticker;
  readonly #watch: Disposable;
  #own: ElectedBootstrap | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: SuccessionOptions, dependencies: SuccessionDependencies) {
    this.#election = new BootstrapElection(dependencies.network.self, { ...defaultElection, ...options.election });
    this.#start = dependencies.start;
    this.#network = dependencies.network;
    this.#isSuccessor = dependencies.isSuccessor;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger;
    const look = () => {
      if (this.#network.livePeers('bootstrap').length > 0) this.#election.sawOne();
    };
    look();
    this.#watch = this.#network.onRosterChange(look);
    this.#ticker = startTicker(
      this.#clock,
      tickMs,
      () => {
        this.#running = this.#tick();
        return this.#running;
      },
      (error) => this.#logger.warn('an elected bootstrap failed', { text: errorMessage(error) }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#watch[Symbol.dispose]();
    await this.#running.catch(() => {});
    await this.#own?.[Symbol.asyncDispose]();
    this.#own = undefined;
  }

  async #tick(): Promise<void> {
    if (this.#isStopped) return;
    const step = this.#election.step({
      livePeers: this.#network.livePeers(),
      isSuccessor: this.#isSuccessor,
      own: this.#own?.id,
      nowMs: this.#clock.monotonicMs(),
    });
    switch (step) {
      case 'nothing':
        return;
      case 'start':
        this.#logger.info('every bootstrap is gone: starting one', { peer: this.#network.self });
        this.#own = await this.#start();
        return;
      case 'stop': {
        this.#logger.info('a bootstrap is back: retiring', { peer: this.#network.self });
        const own = this.#own;
        this.#own = undefined;
        await own?.[Symbol.asyncDispose]();
      }
    }
  }
}
