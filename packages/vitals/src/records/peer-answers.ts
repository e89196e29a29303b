import type { Clock, Logger, WaitOptions } from '@pulsemesh/base';
import { Condition, errorCode } from '@pulsemesh/base';
import type { NetworkPort, RpcClient } from '@pulsemesh/network';
import { rankPeers } from '@pulsemesh/network';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { PeerPauses } from './peer-pauses.ts';
import { storageProtocol } from './storage-wire.ts';

/** No storage peer answered. Retryable: one may be on its way. */
export class RecordsUnavailableError extends Condition {
  override readonly name = 'RecordsUnavailableError';
  constructor(askedCount: number, cause?: unknown) {
    super('records-unavailable', 'no storage peer answered', { facts: { askedCount }, retryable: true, cause });
  }
}

export interface PeerAnswersOptions {
  /** Storage peers asked for one question. */
  readonly askedPeersMax: number;
  readonly askTimeoutMs: number;
  /** How long what the directory said about a subject is believed. */
  readonly providersTtlMs: number;
  /** Subjects whose providers are remembered. */
  readonly providersMax: number;
}

export interface PeerAnswersDeps {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

const failurePauseMs = 2000;

/** Asks the storage peers that may know about a subject, all at once. */
export class PeerAnswers {
  readonly #options: PeerAnswersOptions;
  readonly #deps: PeerAnswersDeps;
  readonly #pauses: PeerPauses;
  readonly #providers = new Map<string, { readonly peers: readonly PeerId[]; readonly untilMs: number }>();

  constructor(options: PeerAnswersOptions, deps: PeerAnswersDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#pauses = new PeerPauses(failurePauseMs, deps.clock);
  }

  /**
   * The answers of every peer that gave one. With few storage peers all are asked; with more than
   * `askedPeersMax`, or none in sight, those that the directory names for `subject` come first.
   * @throws {RecordsUnavailableError} when there is none; `signal.reason`.
   */
  async ask<T>(
    subject: Uint8Array | null,
    question: (ask: (method: string, body: unknown) => Promise<unknown>) => Promise<T>,
    options: WaitOptions,
  ): Promise<readonly T[]> {
    const peers = await this.#peersFor(subject, options);
    let failure: unknown;
    const answers = await Promise.all(
      peers.map(async (peer) => {
        try {
          return [await question((method, body) => this.#call(peer, method, body, options))];
        } catch (error) {
          options.signal?.throwIfAborted();
          failure = error;
          this.#pauses.pause(peer);
          this.#deps.logger.debug('storage peer did not answer', { peer, code: errorCode(error) });
          return [];
        }
      }),
    );
    const given = answers.flat(1) as T[]; // one level: T itself may be an array
    if (given.length === 0) throw new RecordsUnavailableError(peers.length, failure);
    return given;
  }

  #call(peer: PeerId, method: string, body: unknown, options: WaitOptions): Promise<unknown> {
    const timeoutMs = this.#options.askTimeoutMs;
    return this.#deps.rpc.call(peer, storageProtocol, method, body, { ...options, timeoutMs });
  }

  async #peersFor(subject: Uint8Array | null, options: WaitOptions): Promise<readonly PeerId[]> {
    const { port } = this.#deps;
    const { askedPeersMax } = this.#options;
    const live = port.livePeers('storage').map((peer) => peer.id);
    let peers = live;
    if (live.length === 0 || live.length > askedPeersMax) {
      const named = subject === null ? [] : await this.#lookUp(toHex(subject), options);
      const ranked = rankPeers(subject === null ? port.self : toHex(subject), live);
      peers = [...new Set([...named, ...ranked])];
    }
    const trusted = peers.filter((peer) => port.isTrusted(peer)).slice(0, askedPeersMax);
    const eager = trusted.filter((peer) => !this.#pauses.isPaused(peer));
    return eager.length > 0 ? eager : trusted;
  }

  async #lookUp(subjectId: string, options: WaitOptions): Promise<readonly PeerId[]> {
    const { port, clock, logger } = this.#deps;
    const known = this.#providers.get(subjectId);
    if (known !== undefined && known.untilMs > clock.monotonicMs()) return known.peers;
    try {
      const peers = await port.lookUp(`records:${subjectId}`, options);
      this.#remember(subjectId, peers);
      return peers;
    } catch (error) {
      options.signal?.throwIfAborted();
      logger.debug('looking up storage peers failed', { code: errorCode(error) });
      return known?.peers ?? [];
    }
  }

  #remember(subjectId: string, peers: readonly PeerId[]): void {
    if (peers.length === 0) return;
    this.#providers.delete(subjectId);
    const oldest = this.#providers.keys().next().value;
    if (this.#providers.size >= this.#options.providersMax && oldest !== undefined) this.#providers.delete(oldest);
    const untilMs = this.#deps.clock.monotonicMs() + this.#options.providersTtlMs;
    this.#providers.set(subjectId, { peers, untilMs });
  }
}
