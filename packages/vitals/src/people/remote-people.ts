import {
  type Clock,
  errorCode,
  type Logger,
  raceSignal,
  startTicker,
  type Ticker,
  type WaitOptions,
} from '@pulsemesh/base';
import type { Box } from '@pulsemesh/crypto';
import type { NetworkPort, RpcClient, SubjectId } from '@pulsemesh/network';
import type { TableStore } from '@pulsemesh/store';
import { decodeCbor } from '@pulsemesh/wire';
import type { UserId } from '../readings/reading.ts';
import type { PatientFacts } from './known-patient.ts';
import type { Contacts } from './patient.ts';
import { contactsFromCbor, factsFromCbor } from './patient-row.ts';
import { PeopleCache } from './people-cache.ts';
import { DirectoryUnreachableError, type KnownPatient, type PeopleClient } from './people-client.ts';
import {
  fieldOf,
  parseSubjectIds,
  parseVersion,
  peopleProtocol,
  peopleTopic,
  peopleWireLimits,
} from './people-wire.ts';

export interface PeopleClientOptions {
  /** How often it asks what changed, should an announcement have been lost; default 60,000. */
  readonly refreshMs?: number;
  /** How long a directory may take to answer; default 3,000. */
  readonly timeoutMs?: number;
  /** Patients kept at most; default 100,000. */
  readonly patientsMax?: number;
}

export interface PeopleClientDependencies {
  readonly port: NetworkPort;
  readonly rpc: RpcClient;
  readonly tables: TableStore;
  /** Seals the cache under this node's own key. */
  readonly box: Box;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The people directory seen over the network: asks any live gateway, keeps sealed what it learnt, and follows the
 * directory's announcements. Dispose to stop; the cache stays.
 * @throws {SealBrokenError} when the box is another than the cache was sealed with.
 */
export function createPeopleClient(
  dependencies: PeopleClientDependencies,
  options: PeopleClientOptions = {},
): PeopleClient {
  return new RemotePeople(dependencies, options);
}

class RemotePeople implements PeopleClient {
  readonly #port: NetworkPort;
  readonly #rpc: RpcClient;
  readonly #logger: Logger;
  readonly #timeoutMs: number;
  readonly #cache: PeopleCache;
  readonly #handlers = new Set<() => void>();
  readonly #stopped = new AbortController();
  readonly #stack = new DisposableStack();
  #refreshing: Promise<void> | undefined;
  #isRefreshWanted = false;

  constructor(dependencies: PeopleClientDependencies, options: PeopleClientOptions) {
    this.#port = dependencies.port;
    this.#rpc = dependencies.rpc;
    this.#logger = dependencies.logger;
    this.#timeoutMs = options.timeoutMs ?? 3_000;
    this.#cache = new PeopleCache(dependencies.tables, dependencies.box, options.patientsMax ?? 100_000);
    this.#stack.use(this.#port.subscribe(peopleTopic, (data, from) => this.#announced(data, from)));
    // A gateway that comes (back) is asked at once: it may have changed while this node did not hear.
    let gateways = this.#port.livePeers('gateway').length;
    this.#stack.use(
      this.#port.onRosterChange(() => {
        const count = this.#port.livePeers('gateway').length;
        if (count > gateways) this.#refreshSoon();
        gateways = count;
      }),
    );
    const ticker: Ticker = startTicker(
      dependencies.clock,
      options.refreshMs ?? 60_000,
      () => this.#refresh(),
      (error) => this.#logger.debug('following the people directory failed', { code: errorCode(error) }),
    );
    this.#stack.defer(() => ticker.stop());
    if (gateways > 0) this.#refreshSoon();
  }

  peek(userId: UserId): KnownPatient | undefined {
    return this.#cache.byUser(userId);
  }

  peekSubject(subjectId: SubjectId): KnownPatient | undefined {
    return this.#cache.bySubject(subjectId);
  }

  async resolve(userIds: readonly UserId[], options: WaitOptions = {}): Promise<ReadonlyMap<UserId, KnownPatient>> {
    const unknown = [...new Set(userIds)].filter((userId) => this.#cache.byUser(userId) === undefined);
    await this.#askInPages('resolve', 'userIds', unknown, options);
    const found = new Map<UserId, KnownPatient>();
    for (const userId of userIds) {
      const patient = this.#cache.byUser(userId);
      if (patient !== undefined) found.set(userId, patient);
    }
    return found;
  }

  async bySubject(
    subjectIds: readonly SubjectId[],
    options: WaitOptions = {},
  ): Promise<ReadonlyMap<SubjectId, KnownPatient>> {
    const unknown = [...new Set(subjectIds)].filter((subjectId) => this.#cache.bySubject(subjectId) === undefined);
    await this.#askInPages('bySubject', 'subjects', unknown, options);
    const found = new Map<SubjectId, KnownPatient>();
    for (const subjectId of subjectIds) {
      const patient = this.#cache.bySubject(subjectId);
      if (patient !== undefined) found.set(subjectId, patient);
    }
    return found;
  }

  async contacts(subjectId: SubjectId, options: WaitOptions = {}): Promise<Contacts> {
    try {
      const answer = await this.#ask('contacts', { subject: subjectId }, options);
      const contacts = contactsFromCbor(fieldOf(answer, 'contacts'));
      await this.#cache.learnContacts(subjectId, contacts);
      return contacts;
    } catch (error) {
      const known = error instanceof DirectoryUnreachableError ? this.#cache.contacts(subjectId) : undefined;
      if (known === undefined) throw error;
      return known;
    }
  }

  onChange(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new DirectoryUnreachableError());
    this.#stack.dispose();
    await this.#refreshing?.catch(() => {});
  }

  async #askInPages(method: string, field: string, ids: readonly string[], options: WaitOptions): Promise<void> {
    for (let start = 0; start < ids.length; start += peopleWireLimits.askedMax) {
      const page = ids.slice(start, start + peopleWireLimits.askedMax);
      await this.#cache.learn(parsePatients(await this.#ask(method, { [field]: page }, options)));
    }
  }

  /** Asks the live gateways one after another: only one of them holds the directory. */
  async #ask(method: string, body: unknown, options: WaitOptions): Promise<unknown> {
    let cause: unknown;
    for (const { id } of this.#port.livePeers('gateway')) {
      if (!this.#port.isTrusted(id)) continue;
      options.signal?.throwIfAborted();
      try {
        const call = this.#rpc.call(id, peopleProtocol, method, body, {
          timeoutMs: this.#timeoutMs,
          signal: this.#stopped.signal,
        });
        return await raceSignal(call, options.signal);
      } catch (error) {
        options.signal?.throwIfAborted();
        cause = error;
      }
    }
    throw new DirectoryUnreachableError(cause);
  }

  #announced(data: Uint8Array, from: Parameters<NetworkPort['isTrusted']>[0]): void {
    if (!this.#port.isTrusted(from) || data.length > 256) return;
    try {
      const [epoch, version] = decodeCbor(data, { bytesMax: 256, depthMax: 1 }) as readonly unknown[]; // checked below
      const { state } = this.#cache;
      if (state !== undefined && state.epoch === epoch && typeof version === 'number' && version <= state.version)
        return;
    } catch {
      return; // not an announcement
    }
    this.#refreshSoon();
  }

  #refreshSoon(): void {
    this.#refresh().catch((error: unknown) => {
      this.#logger.debug('following the people directory failed', { code: errorCode(error) });
    });
  }

  /** Runs at most once at a time; one that is wanted meanwhile follows. */
  #refresh(): Promise<void> {
    if (this.#stopped.signal.aborted) return Promise.resolve();
    this.#isRefreshWanted = true;
    this.#refreshing ??= this.#refreshWhileWanted().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refreshWhileWanted(): Promise<void> {
    while (this.#isRefreshWanted) {
      this.#isRefreshWanted = false;
      const before = this.#cache.state;
      let since = before?.version ?? 0;
      let hasChanged = false;
      for (;;) {
        const answer = await this.#ask('changes', { since }, { signal: this.#stopped.signal });
        const epoch = fieldOf(answer, 'epoch');
        if (typeof epoch !== 'string') throw new DirectoryUnreachableError();
        const version = parseVersion(fieldOf(answer, 'version'));
        // Another directory than the one known so far: everything known is asked about again.
        const isNew = before !== undefined && epoch !== this.#cache.state?.epoch;
        const changed = isNew ? this.#cache.subjectIds() : parseSubjectIds(answer);
        const known = changed.filter((subjectId) => this.#cache.bySubject(subjectId) !== undefined);
        await this.#askInPages('bySubject', 'subjects', known, { signal: this.#stopped.signal });
        hasChanged ||= changed.length > 0;
        const isDone = isNew || version <= since || changed.length < peopleWireLimits.changesMax;
        await this.#cache.follow({ epoch, version });
        since = version;
        if (isDone) break;
      }
      if (hasChanged) for (const handler of [...this.#handlers]) handler();
    }
  }
}

function parsePatients(answer: unknown): readonly PatientFacts[] {
  const patients = fieldOf(answer, 'patients');
  if (!Array.isArray(patients) || patients.length > peopleWireLimits.askedMax) throw new DirectoryUnreachableError();
  return patients.map(factsFromCbor);
}
