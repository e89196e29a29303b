import { AssertionError, type Clock, Condition, errorCode, type Logger, type Random, sleep } from '@pulsemesh/base';
import { type NetworkPort, type RpcClient, rankPeers, type WorkerFinder } from '@pulsemesh/network';
import { recordKinds } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { KnownPatient, PeopleClient } from '../people/people-client.ts';
import { encodeReading, encodeReadings } from '../readings/codec.ts';
import { type Reading, readingKey, type UserId, windowStartSeconds } from '../readings/reading.ts';
import { type RecordRow, storageProtocol } from '../records/storage-wire.ts';
import { aggregationProtocol } from './aggregation/wire.ts';
import type { IngestEvents } from './ingest-events.ts';
import type { BatchPart, HandOffLog, IngestBatch } from './ingest-log.ts';

export interface ForwardLimits {
  /** Hand-ons under way at once; default 4. Each takes as many waiting batches as fit, so they grow with the load. */
  readonly inFlightMax: number;
  /** Readings in one hand-on, unless a single batch has more; default 1,024. */
  readonly readingsMax: number;
  /** Parked batches tried again at once, and how often; default 64 each 60,000 ms. */
  readonly unparkMax: number;
  readonly unparkMs: number;
}

export const defaultForwardLimits: ForwardLimits = {
  inFlightMax: 4,
  readingsMax: 1_024,
  unparkMax: 64,
  unparkMs: 60_000,
};

/** Batches kept in memory until their turn; the others are read from the log again. */
const freshMax = 64;

const backOff = { firstMs: 200, lastMs: 5_000 } as const;

export interface ForwarderDependencies {
  /** Names this ingest's log in batch ids. */
  readonly logId: string;
  readonly log: HandOffLog;
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly people: PeopleClient;
  /** Finds a storage peer that is free. */
  readonly storage: WorkerFinder;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: IngestEvents;
  readonly onFailed: (error: unknown) => void;
  /** A batch has left the log. */
  readonly onRemoved: () => void;
}

interface Patients {
  readonly known: readonly { readonly patient: KnownPatient; readonly readings: readonly Reading[] }[];
  /** Wearers the directory has no room for. */
  readonly parked: readonly BatchPart[];
}

/**
 * Hands batches on, in the order of the log with a few under way at once: resolve the patients, seal and store, then
 * to the aggregation peers, and only when all have answered out of the log. Every step may be repeated: records are
 * keyed, and aggregation takes a reading once.
 */
export class Forwarder {
  readonly #limits: ForwardLimits;
  readonly #deps: ForwarderDependencies;
  readonly #stopped = new AbortController();
  /** Batches still in memory from their commit; the others are read from the log. */
  readonly #fresh = new Map<number, IngestBatch>();
  readonly #running = new Set<Promise<void>>();
  #waiting: number[] = [];
  readonly #idle: (() => void)[] = [];

  constructor(limits: ForwardLimits, dependencies: ForwarderDependencies) {
    this.#limits = limits;
    this.#deps = dependencies;
    this.#waiting = [...dependencies.log.numbersAfter(0)];
    this.#pump();
  }

  /** A batch was committed. */
  add(batch: IngestBatch): void {
    if (this.#fresh.size < freshMax) this.#fresh.set(batch.number, batch);
    this.#waiting.push(batch.number);
    this.#pump();
  }

  /** Resolves when the log has been handed on. */
  async drain(): Promise<void> {
    if (this.#isIdle) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Condition('ingest-stopped', 'the ingest is stopped'));
    for (const resolve of this.#idle.splice(0)) resolve();
    await Promise.all(this.#running);
  }

  /** Puts parked batches back into the log, to be tried again. */
  async retryParked(): Promise<void> {
    if (this.#deps.log.parkedCount === 0) return;
    const last = Math.max(0, ...this.#deps.log.numbersAfter(0));
    await this.#deps.log.unpark(this.#limits.unparkMax);
    for (const number of this.#deps.log.numbersAfter(last))
      if (!this.#waiting.includes(number)) this.#waiting.push(number);
    this.#pump();
  }

  get #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#running.size === 0;
  }

  #pump(): void {
    const { log, events, onFailed } = this.#deps;
    events.waiting(log.count, log.bytes);
    while (this.#running.size < this.#limits.inFlightMax && !this.#stopped.signal.aborted) {
      const batches = this.#nextBatches();
      if (batches.length === 0) break;
      const run = this.#handOn(batches).catch((error: unknown) => {
        if (!this.#stopped.signal.aborted) onFailed(error);
      });
      this.#running.add(run);
      void run.finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
    }
    if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The oldest waiting batches that go on together. One that has to be read from the log goes alone. */
  #nextBatches(): readonly IngestBatch[] {
    const batches: IngestBatch[] = [];
    let readings = 0;
    for (;;) {
      const number = this.#waiting[0];
      if (number === undefined) return batches;
      const fresh = this.#fresh.get(number);
      if (batches.length > 0 && (fresh === undefined || readings + countOf(fresh.parts) > this.#limits.readingsMax)) {
        return batches;
      }
      this.#waiting.shift();
      this.#fresh.delete(number);
      if (fresh === undefined) return [this.#deps.log.read(number)];
      batches.push(fresh);
      readings += countOf(fresh.parts);
    }
  }

  async #handOn(batches: readonly IngestBatch[]): Promise<void> {
    const { log, events, onRemoved } = this.#deps;
    const together = joinBatches(batches);
    const parked = await this.#withoutRefused(together, batches.length > 1);
    if (parked === 'apart') {
      for (const batch of batches) await this.#handOn([batch]);
      return;
    }
    await log.remove(
      batches.map((batch) => batch.number),
      parked,
    );
    events.forwarded(countOf(together.parts) - countOf(parked));
    onRemoved();
  }

  /**
   * Stores and aggregates the batch; what a later try may cure, somebody having acted, is given back to be parked.
   * Of several batches that were joined only one may be at fault: they are tried apart then.
   */
  async #withoutRefused(batch: IngestBatch, isJoined: boolean): Promise<readonly BatchPart[] | 'apart'> {
    const patients = await this.#resolve(batch);
    this.#park(patients.parked, 'directory-full');
    try {
      await this.#store(patients.known);
      await this.#aggregate(batch, patients.known);
      return patients.parked;
    } catch (error) {
      this.#stopped.signal.throwIfAborted();
      if (!(error instanceof Condition)) throw error;
      if (isJoined) return 'apart';
      this.#park(batch.parts, error.code);
      return batch.parts;
    }
  }

  #park(parts: readonly BatchPart[], code: string): void {
    if (parts.length === 0) return;
    const count = countOf(parts);
    this.#deps.events.parked(count);
    this.#deps.logger.error('readings are kept aside: they cannot go on', { code, count });
  }

  async #resolve(batch: IngestBatch): Promise<Patients> {
    const { people } = this.#deps;
    const unknown = batch.parts.map((part) => part.userId).filter((userId) => people.peek(userId) === undefined);
    const resolved: ReadonlyMap<UserId, KnownPatient> =
      unknown.length === 0
        ? new Map()
        : await this.#untilAnswered('people', () => people.resolve(unknown, { signal: this.#stopped.signal }));
    const known: { patient: KnownPatient; readings: readonly Reading[] }[] = [];
    const parked: BatchPart[] = [];
    for (const part of batch.parts) {
      const patient = resolved.get(part.userId) ?? people.peek(part.userId);
      if (patient === undefined) parked.push(part);
      else known.push({ patient, readings: part.readings });
    }
    return { known, parked };
  }

  async #store(known: Patients['known']): Promise<void> {
    if (known.length === 0) return;
    const { rpc, storage } = this.#deps;
    const { signal } = this.#stopped;
    const random = pooled(this.#deps.random);
    const records: RecordRow[] = [];
    for (const { patient, readings } of known) {
      for (const reading of readings) records.push(seal(patient, reading, random));
    }
    let tries = 0;
    await storage.run(
      (peer) => {
        tries += 1;
        if (tries > 1) this.#deps.events.repeated('storage');
        return rpc.call(peer, storageProtocol, 'put', { records }, { signal });
      },
      { signal },
    );
  }

  /** Gives each patient's readings to its owner; where an owner fails, to the next in rank. */
  async #aggregate(batch: IngestBatch, known: Patients['known']): Promise<void> {
    let left = known;
    let failures = 0;
    while (left.length > 0) {
      const groups = this.#groupByOwner(left, failures);
      const done = await Promise.all(
        [...groups].map(async ([owner, group]) => ((await this.#take(owner, batch, group)) ? [] : group)),
      );
      // No live aggregation peer makes no group: all are left.
      left = groups.size === 0 ? left : done.flat();
      if (left.length === 0) return;
      this.#deps.events.repeated('aggregation');
      await this.#pause(failures);
      failures += 1;
    }
  }

  #groupByOwner(known: Patients['known'], failures: number): ReadonlyMap<PeerId, Patients['known'][number][]> {
    const live = this.#deps.port.livePeers('aggregation').map((peer) => peer.id);
    const groups = new Map<PeerId, Patients['known'][number][]>();
    for (const each of known) {
      const ranked = rankPeers(each.patient.subjectId, live);
      const owner = ranked[failures % Math.max(1, ranked.length)];
      if (owner === undefined) continue;
      const group = groups.get(owner);
      if (group === undefined) groups.set(owner, [each]);
      else group.push(each);
    }
    return groups;
  }

  /** True when the peer has the readings durably; false when another should be asked. */
  async #take(owner: PeerId, batch: IngestBatch, group: Patients['known']): Promise<boolean> {
    const { rpc, logId, logger } = this.#deps;
    const subjects = group.map(({ patient, readings }) => [
      patient.subjectId,
      patient.userId,
      patient.deviceKind,
      patient.isRegistered,
      encodeReadings(readings),
    ]);
    const body = { batchId: `${logId}-${batch.number}`, subjects };
    try {
      await rpc.call(owner, aggregationProtocol, 'take', body, { signal: this.#stopped.signal });
      return true;
    } catch (error) {
      this.#stopped.signal.throwIfAborted();
      if (isHopeless(error)) throw error;
      logger.debug('an aggregation peer did not take a batch', { peer: owner, code: errorCode(error) });
      return false;
    }
  }

  async #untilAnswered<T>(hop: 'people', action: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await action();
      } catch (error) {
        this.#stopped.signal.throwIfAborted();
        if (isHopeless(error)) throw error;
        this.#deps.events.repeated(hop);
      }
      await this.#pause(failures);
    }
  }

  /** Waits a growing while, shortened by any change of who is alive. */
  async #pause(failures: number): Promise<void> {
    const { clock, random, port } = this.#deps;
    const delayMs =
      Math.min(backOff.lastMs, backOff.firstMs * 2 ** Math.min(failures, 10)) * (0.5 + random.float() / 2);
    const woken = new AbortController();
    using _watch = port.onRosterChange(() => woken.abort());
    try {
      await sleep(clock, delayMs, { signal: AbortSignal.any([woken.signal, this.#stopped.signal]) });
    } catch {
      this.#stopped.signal.throwIfAborted();
      // The roster changes in bursts, and a peer that just appeared may not serve yet.
      await sleep(clock, backOff.firstMs / 4, { signal: this.#stopped.signal });
    }
  }
}

function countOf(parts: readonly BatchPart[]): number {
  return parts.reduce((sum, part) => sum + part.readings.length, 0);
}

/** One batch with the number of the first and the readings of all, those of one wearer together. */
function joinBatches(batches: readonly IngestBatch[]): IngestBatch {
  const [first] = batches;
  if (first === undefined || batches.length === 1) return first ?? { number: 0, parts: [] };
  const readingsOf = new Map<UserId, Reading[]>();
  for (const { userId, readings } of batches.flatMap((batch) => batch.parts)) {
    const known = readingsOf.get(userId);
    if (known === undefined) readingsOf.set(userId, [...readings]);
    else known.push(...readings);
  }
  return { number: first.number, parts: [...readingsOf].map(([userId, readings]) => ({ userId, readings })) };
}

// A peer that is not set up as it should be is asked again: it is not the batch's fault.
const peersFault: ReadonlySet<string> = new Set(['untrusted', 'internal', 'protocol-refused', 'no-such-method']);

/** True where every peer would answer the same, now and later: the batch is then kept aside for somebody to look at. */
export function isHopeless(error: unknown): boolean {
  return (
    error instanceof AssertionError || (error instanceof Condition && !error.retryable && !peersFault.has(error.code))
  );
}

const poolBytes = 3 * 1024;

/** Draws random bytes for many nonces at once: asking the operating system for each costs more than the sealing. */
function pooled(random: Random): Random {
  let pool: Uint8Array = new Uint8Array(0);
  let at = 0;
  return {
    ...random,
    bytes(length) {
      if (length > pool.length - at) {
        pool = random.bytes(Math.max(length, poolBytes));
        at = 0;
      }
      at += length;
      return pool.slice(at - length, at);
    },
  };
}

function seal(patient: KnownPatient, reading: Reading, random: Random): RecordRow {
  const kind = recordKinds.reading;
  const bucketSeconds = windowStartSeconds(reading.tMs);
  const id = patient.keyTree.recordId(kind, readingKey(reading));
  const place = { kind, bucketSeconds, id, revision: 0 };
  return [patient.subject, kind, bucketSeconds, id, 0, patient.keyTree.seal(place, encodeReading(reading), random)];
}
