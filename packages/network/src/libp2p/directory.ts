import type { ContentRouting } from '@libp2p/interface';
import {
  type Clock,
  Condition,
  type Gauge,
  type Logger,
  type Meter,
  type Random,
  sleep,
  type WaitOptions,
  withTimeout,
} from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { CID } from 'multiformats/cid';
import * as digest from 'multiformats/hashes/digest';
import { BadRequestError, BusyError } from '../errors.ts';

export const directoryLimits = {
  /** Keys one peer provides. */
  keysMax: 10_000,
  keyLengthMax: 256,
  /** Announcing one key asks the DHT for the nearest peers: at most one key in so long. */
  periodMs: 500,
  /**
   * After so many keys the pace slows: each costs every peer near it some milliseconds, and a node with thousands
   * of keys would spend the network's time on records that only help where asking the live peers does not.
   */
  promptKeys: 16,
  crowdPeriodMs: 10_000,
  provideMs: 10_000,
  retryLastMs: 60_000,
  /** A look-up ends after so long, or so many peers, with what it has. */
  lookUpMs: 3_000,
  peersMax: 20,
} as const;

const rawCodec = 0x55;
const sha256Code = 0x12;

/** The DHT key of a directory key: a raw CIDv1 of its SHA-256. */
export function directoryCid(key: string): CID {
  if (key.length === 0 || key.length > directoryLimits.keyLengthMax) throw new BadRequestError('not a directory key');
  return CID.createV1(rawCodec, digest.create(sha256Code, sha256(new TextEncoder().encode(key))));
}

export interface DirectoryDependencies {
  readonly routing: Pick<ContentRouting, 'provide' | 'cancelReprovide' | 'findProviders'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/**
 * Who has to do with what, in DHT provider records. `provide` queues; one key at a time is announced, repeated
 * with growing pauses until somebody took it. The DHT renews what it was told for as long as the node runs.
 */
export class Directory implements AsyncDisposable {
  readonly #dependencies: DirectoryDependencies;
  readonly #provided = new Set<string>();
  readonly #queue = new Set<string>();
  readonly #stopped = new AbortController();
  readonly #waiting: Gauge;
  #wake: (() => void) | undefined;
  readonly #running: Promise<void>;

  constructor(dependencies: DirectoryDependencies) {
    this.#dependencies = dependencies;
    this.#waiting = dependencies.meter.gauge('directory_keys_waiting', 'Directory keys not announced yet');
    this.#running = this.#run();
  }

  /** @throws {BusyError} past `keysMax`; {@link BadRequestError}. */
  provide(key: string): void {
    directoryCid(key);
    if (this.#provided.has(key)) return;
    if (this.#provided.size >= directoryLimits.keysMax) throw new BusyError('directory keys', directoryLimits.keysMax);
    this.#provided.add(key);
    this.#queue.add(key);
    this.#waiting.set(this.#queue.size);
    this.#wake?.();
  }

  withdraw(key: string): void {
    if (!this.#provided.delete(key) || this.#queue.delete(key)) return;
    this.#dependencies.routing.cancelReprovide(directoryCid(key)).catch(() => {}); // the record then ends by its age
  }

  async lookUp(key: string, options: WaitOptions = {}): Promise<readonly PeerId[]> {
    const { clock, routing } = this.#dependencies;
    const found = new Set<PeerId>();
    try {
      await withTimeout(
        clock,
        'looking up a directory key',
        directoryLimits.lookUpMs,
        async (signal) => {
          for await (const peer of routing.findProviders(directoryCid(key), { signal })) {
            found.add(peer.id.toString() as PeerId); // libp2p's text form is ours
            if (found.size >= directoryLimits.peersMax) return;
          }
        },
        options,
      );
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof BadRequestError) throw error;
      // Best effort: what was found until the time was up, or the query failed for want of peers.
    }
    return [...found].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Condition('stopped', 'the directory is stopped'));
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#dependencies;
    const { signal } = this.#stopped;
    let failures = 0;
    let announced = 0;
    while (!signal.aborted) {
      const key = this.#queue.values().next().value;
      try {
        if (key === undefined) await this.#untilWork();
        else if (await this.#announce(key)) {
          failures = 0;
          announced += 1;
          const { promptKeys, periodMs, crowdPeriodMs } = directoryLimits;
          await sleep(clock, announced < promptKeys ? periodMs : crowdPeriodMs, { signal });
        } else {
          failures += 1;
          const longestMs = Math.min(
            directoryLimits.retryLastMs,
            directoryLimits.periodMs * 2 ** Math.min(failures, 10),
          );
          await sleep(clock, longestMs * (0.5 + random.float() / 2), { signal });
        }
      } catch {
        if (!signal.aborted) failures += 1;
      }
    }
  }

  async #announce(key: string): Promise<boolean> {
    const { clock, routing, logger } = this.#dependencies;
    const wait = { signal: this.#stopped.signal };
    try {
      const provide = (signal: AbortSignal) => routing.provide(directoryCid(key), { signal });
      await withTimeout(clock, 'announcing a directory key', directoryLimits.provideMs, provide, wait);
      this.#queue.delete(key);
      if (!this.#provided.has(key)) await routing.cancelReprovide(directoryCid(key)); // withdrawn meanwhile
      return true;
    } catch (error) {
      wait.signal.throwIfAborted();
      logger.debug('announcing a directory key failed', { code: error instanceof Error ? error.name : 'unknown' });
      if (this.#queue.delete(key)) this.#queue.add(key); // behind the others
      return false;
    } finally {
      this.#waiting.set(this.#queue.size);
    }
  }

  #untilWork(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
