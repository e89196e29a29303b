import type { Clock, Logger, Meter, Random } from '@pulsemesh/base';
import { equalSecrets } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import { equalBytes, type PeerId } from '@pulsemesh/wire';
import { type AgentView, viewOf } from './agent-view.ts';
import { AuthorityBooks, type RevocationTarget } from './books.ts';
import { isOrganisation } from './certificate-names.ts';
import { permitsName } from './der.ts';
import { AuthorityRefusedError } from './errors.ts';
import { createAuthorityEvents } from './events.ts';
import { certificateFingerprint, type Issuer, type ServerCertificateFacts } from './issuer.ts';
import type { Revocations } from './judge.ts';
import { type AuthorityRole, authorityLimits, isAuthorityRole } from './limits.ts';
import {
  type EnrolAnswer,
  type EnrolMessage,
  type EnrolRequest,
  parseEnrolRequest,
  parseRenewRequest,
  type SignedRequest,
} from './messages.ts';
import { RateLimiter } from './rate-limiter.ts';
import type { AgentRecord, ListRecord, RequestRecord } from './records.ts';
import { requestLabel } from './records.ts';
import { enrolmentTokenLimits, tokenHash } from './token.ts';

export interface AuthorityDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

export interface AuthorityOptions {
  /** Not disposed with the authority. One authority at a time writes it. */
  readonly store: TableStore;
  readonly issuer: Issuer;
  /** How long an agent's certificate holds. Default {@link authorityLimits}.certificateMs. */
  readonly certificateMs?: number;
}

/** What a new token allows. */
export interface TokenFacts {
  readonly organisation: string;
  readonly role: AuthorityRole;
  /** Default 1. */
  readonly uses?: number;
  /** Default {@link authorityLimits}.tokenMs. */
  readonly forMs?: number;
}

/** A request that waits for an operator. */
export interface PendingRequest {
  /** 16 hex digits. */
  readonly id: string;
  readonly peer: PeerId;
  readonly organisation: string;
  readonly role: AuthorityRole;
  readonly createdMs: number;
}

/** Who was revoked, told once it is durable. */
export interface RevokedEvent {
  readonly peer: PeerId;
  readonly reason: string;
}

/**
 * The identity authority: who may have which certificate. All it answers is durable before it is answered; a repeated
 * request gets the first answer again. A state machine over a store: who carries the messages is another's matter.
 */
export class Authority {
  readonly #books: AuthorityBooks;
  readonly #issuer: Issuer;
  readonly #fingerprint: Uint8Array;
  readonly #certificateMs: number;
  readonly #dependencies: AuthorityDependencies;
  readonly #events: ReturnType<typeof createAuthorityEvents>;
  readonly #wrongTokens: RateLimiter;
  readonly #revokedHandlers = new Set<(event: RevokedEvent) => void>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: AuthorityOptions, dependencies: AuthorityDependencies) {
    this.#books = new AuthorityBooks(options.store);
    this.#issuer = options.issuer;
    this.#fingerprint = certificateFingerprint(options.issuer.root);
    this.#certificateMs = options.certificateMs ?? authorityLimits.certificateMs;
    this.#dependencies = dependencies;
    this.#events = createAuthorityEvents(dependencies);
    const { wrongTokensMax: burst, ratePeriodMs: periodMs } = authorityLimits;
    this.#wrongTokens = new RateLimiter({ burst, periodMs, keysMax: 1 }, dependencies);
  }

  /** The root certificate, DER. */
  get root(): Uint8Array {
    return this.#issuer.root;
  }

  /** SHA-256 of the root. */
  get fingerprint(): Uint8Array {
    return this.#fingerprint;
  }

  /** For judging logins: always current. */
  get revocations(): Revocations {
    return { isRevoked: (serial) => this.#books.revoked(serial) !== null, nextUpdateMs: null };
  }

  /** True for an agent that was revoked for good. */
  isRevoked(peer: PeerId): boolean {
    return this.#books.agent(peer)?.revoked != null;
  }

  /** Calls back at once with each agent that is revoked. */
  onRevoked(handler: (event: RevokedEvent) => void): Disposable {
    this.#revokedHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#revokedHandlers.delete(handler) };
  }

  /** A first certificate, by token at once, else after an operator's yes. @throws {AuthorityRefusedError}. */
  async enrol({ statement, secret }: EnrolMessage): Promise<EnrolAnswer> {
    const request = parseEnrolRequest(statement);
    this.#assertOurs(request);
    return this.#exclusive(async () => {
      const known = this.#books.request(request.id);
      if (known !== null) return this.#answer(request.id, known);
      this.#assertNow(request);
      if (this.#books.agent(request.peer)?.revoked != null) throw new AuthorityRefusedError('agent-revoked');
      return secret === null ? this.#addPending(request) : this.#enrolByToken(request, secret);
    });
  }

  /** What became of a request. @throws {AuthorityRefusedError} `request-unknown`, `agent-revoked`. */
  async status(id: Uint8Array): Promise<EnrolAnswer> {
    const known = this.#books.request(id);
    if (known === null) throw new AuthorityRefusedError('request-unknown');
    return this.#answer(id, known);
  }

  /**
   * The next certificate, for whoever signs with the key of the one there is, before or shortly after its end.
   * @throws {AuthorityRefusedError}.
   */
  async renew(statement: Uint8Array): Promise<EnrolAnswer> {
    const request = parseRenewRequest(statement);
    this.#assertOurs(request);
    return this.#exclusive(async () => {
      const agent = this.#books.agent(request.peer);
      if (agent === null) throw new AuthorityRefusedError('agent-unknown');
      if (agent.revoked !== null) throw new AuthorityRefusedError('agent-revoked');
      if (!equalBytes(agent.latestRequest, request.id)) {
        this.#assertNow(request);
        const endMs = (agent.held.at(-1)?.notAfterMs ?? 0) + authorityLimits.renewalGraceMs;
        if (endMs < this.#dependencies.clock.now()) throw new AuthorityRefusedError('renewal-late');
        const { change, role } = await this.#issue(request, agent);
        await this.#books.commit([change]);
        this.#events.issued('renewal', role);
      }
      return this.#issuedAnswer(request.id, request.peer);
    });
  }

  /** The list of revoked certificates in force, signed anew in good time. */
  async list(): Promise<ListRecord> {
    const isCurrent = (list: ListRecord | null): list is ListRecord =>
      list !== null && list.nextUpdateMs - this.#dependencies.clock.now() > authorityLimits.crlMs / 2;
    const known = this.#books.list();
    if (isCurrent(known)) return known;
    return this.#exclusive(async () => {
      const meanwhile = this.#books.list();
      if (isCurrent(meanwhile)) return meanwhile;
      const { list, changes } = await this.#nextList([]);
      await this.#books.commit(changes);
      return list;
    });
  }

  /** Makes a token; its secret is kept nowhere. @throws {AuthorityRefusedError} `authority-full`, `malformed`. */
  async createToken({
    organisation,
    role,
    uses = 1,
    forMs = authorityLimits.tokenMs,
  }: TokenFacts): Promise<Uint8Array> {
    const { tokenUsesMax, tokenMsMax, tokensMax } = authorityLimits;
    const isAllowed = Number.isInteger(uses) && uses >= 1 && uses <= tokenUsesMax && forMs > 0 && forMs <= tokenMsMax;
    // What is written here is checked when it is read: a row that cannot be read would stop the sweep.
    if (!isAllowed || !isOrganisation(organisation) || !isAuthorityRole(role))
      throw new AuthorityRefusedError('malformed');
    return this.#operators(async () => {
      if (this.#books.tokenCount() >= tokensMax) throw new AuthorityRefusedError('authority-full');
      const secret = this.#dependencies.random.bytes(enrolmentTokenLimits.secretBytes);
      const expiresMs = Math.floor(this.#dependencies.clock.now() + forMs);
      await this.#books.commit([
        this.#books.putToken(tokenHash(secret), { organisation, role, usesLeft: uses, expiresMs }),
      ]);
      return secret;
    });
  }

  /** One agent, or null for one who was never known here. */
  agent(peer: PeerId): AgentView | null {
    const record = this.#books.agent(peer);
    return record === null ? null : viewOf(peer, record);
  }

  /** A TLS certificate for a server, DER. @throws {AuthorityRefusedError} `name-not-permitted`. */
  async issueServer(facts: ServerCertificateFacts): Promise<Uint8Array> {
    const { root } = this;
    const isPermitted =
      facts.dns.every((name) => permitsName(root, name, false)) &&
      facts.ip.every((name) => permitsName(root, name, true));
    // One that no client would take.
    if (!isPermitted) throw new AuthorityRefusedError('name-not-permitted');
    return (await this.#issuer.issueServer(facts)).der;
  }

  /** Requests that wait, oldest first. */
  pending(): readonly PendingRequest[] {
    return this.#books
      .pending()
      .map(({ id, record: { peer, organisation, role, createdMs } }) => ({
        id: requestLabel(id),
        peer,
        organisation,
        role,
        createdMs,
      }))
      .sort((one, other) => one.createdMs - other.createdMs);
  }

  /** Those enrolled, at most `limit`, from after `after`. */
  agents(options: { readonly after?: PeerId; readonly limit?: number } = {}): readonly AgentView[] {
    return this.#books.agents(options).map(({ peer, record }) => viewOf(peer, record));
  }

  /** An operator's yes to a request, named by its 16 digits. @throws {AuthorityRefusedError}. */
  async approve(label: string): Promise<void> {
    await this.#operators(async () => {
      const { id, record } = this.#books.pendingByLabel(label);
      const known = this.#books.agent(record.peer);
      if (known?.revoked != null) throw new AuthorityRefusedError('agent-revoked');
      const { organisation, role } = record;
      const { change } = await this.#issue({ id, peer: record.peer }, known, { organisation, role });
      await this.#books.commit([change, this.#books.putRequest(id, { ...record, state: 'issued' })]);
      this.#events.issued('approval', role);
    });
  }

  /** An operator's no. @throws {AuthorityRefusedError}. */
  async refuse(label: string, reason: string): Promise<void> {
    await this.#operators(async () => {
      const { id, record } = this.#books.pendingByLabel(label);
      await this.#books.commit([this.#books.putRequest(id, { ...record, state: 'refused', reason })]);
      this.#events.refused();
    });
  }

  /**
   * Revokes an agent for good, or one certificate. Durable, in the list, and told to `onRevoked` when it resolves. Again is harmless.
   * @throws {AuthorityRefusedError} `certificate-unknown`, `authority-full`.
   */
  async revoke(target: RevocationTarget, reason: string): Promise<RevokedEvent> {
    const event = await this.#operators(async () => {
      const atMs = this.#dependencies.clock.now();
      const { peer, changes } = this.#books.revocation(target, { reason, atMs });
      const next = await this.#nextList(changes);
      await this.#books.commit([...changes, ...next.changes]);
      return { peer, reason };
    });
    this.#events.revoked();
    for (const handler of this.#revokedHandlers) handler(event);
    return event;
  }

  /** Forgets what is over: old requests, tokens that ran out. */
  async sweep(): Promise<void> {
    await this.#exclusive(() => this.#books.sweep(this.#dependencies.clock.now()));
  }

  #assertOurs({ authority }: SignedRequest): void {
    if (!equalBytes(authority, this.#fingerprint)) throw new AuthorityRefusedError('other-authority');
  }

  #assertNow({ createdMs }: SignedRequest): void {
    const awayMs = Math.abs(createdMs - this.#dependencies.clock.now());
    if (awayMs > authorityLimits.requestSkewMs) throw new AuthorityRefusedError('request-time');
  }

  async #addPending({ id, peer, organisation, role }: EnrolRequest): Promise<EnrolAnswer> {
    if (organisation === null || role === null) throw new AuthorityRefusedError('organisation-missing');
    if (this.#books.pendingCount >= authorityLimits.pendingMax) throw new AuthorityRefusedError('authority-full');
    const createdMs = this.#dependencies.clock.now();
    const record: RequestRecord = { peer, organisation, role, state: 'pending', createdMs, reason: null };
    await this.#books.commit([this.#books.putRequest(id, record)]);
    this.#events.pending(this.#books.pendingCount);
    return this.#answer(id, record);
  }

  async #enrolByToken(request: EnrolRequest, secret: Uint8Array): Promise<EnrolAnswer> {
    const hash = tokenHash(secret);
    const token = this.#books.token(hash);
    const createdMs = this.#dependencies.clock.now();
    // Found by its hash, of 128 random bits; compared once more in constant time, so that nothing hangs on the store's way of searching.
    if (token === null || !equalSecrets(token.hash, hash) || token.expiresMs <= createdMs || token.usesLeft < 1) {
      this.#events.wrongToken();
      // A right one is taken all the same: else whoever guesses keeps everybody out.
      throw new AuthorityRefusedError(this.#wrongTokens.take('all') ? 'token-unknown' : 'too-many-guesses');
    }
    const { organisation, role, usesLeft, expiresMs } = token;
    const isMeant = [null, organisation].includes(request.organisation) && [null, role].includes(request.role);
    if (!isMeant) throw new AuthorityRefusedError('token-mismatch');
    const known = this.#books.agent(request.peer);
    const { change } = await this.#issue(request, known, { organisation, role });
    const record: RequestRecord = {
      peer: request.peer,
      organisation,
      role,
      state: 'issued',
      createdMs,
      reason: null,
    };
    const used = this.#books.putToken(hash, { organisation, role, usesLeft: usesLeft - 1, expiresMs });
    await this.#books.commit([change, this.#books.putRequest(request.id, record), used]);
    this.#events.issued('token', role);
    return this.#answer(request.id, record);
  }

  /** Signs a certificate; nothing is kept before `change` is committed. */
  async #issue(
    request: Pick<SignedRequest, 'id' | 'peer'>,
    known: AgentRecord | null,
    membership: Pick<AgentRecord, 'organisation' | 'role'> | null = known,
  ): Promise<{ readonly change: TableChange; readonly role: AuthorityRole }> {
    if (membership === null) throw new AuthorityRefusedError('agent-unknown');
    const nowMs = this.#dependencies.clock.now();
    if (known === null && this.#books.agentCount() >= authorityLimits.agentsMax)
      throw new AuthorityRefusedError('authority-full');
    const held = (known?.held ?? []).filter(({ notAfterMs }) => notAfterMs > nowMs);
    if (held.length >= authorityLimits.certificatesPerAgentMax)
      throw new AuthorityRefusedError('too-many-certificates');
    const { organisation, role } = membership;
    const { peer } = request;
    const made = await this.#issuer.issueAgent({ peer, organisation, role, forMs: this.#certificateMs });
    const record: AgentRecord = {
      organisation,
      role,
      enrolledMs: known?.enrolledMs ?? nowMs,
      revoked: null,
      held: [...held, { serial: made.serial, notAfterMs: made.notAfterMs }],
      latest: made.der,
      latestRequest: request.id,
    };
    return { change: this.#books.putAgent(peer, record), role };
  }

  #answer(id: Uint8Array, { state, peer, reason }: RequestRecord): EnrolAnswer {
    if (state === 'issued') return this.#issuedAnswer(id, peer);
    return { state, id, certificates: [], root: this.root, reason };
  }

  #issuedAnswer(id: Uint8Array, peer: PeerId): EnrolAnswer {
    const agent = this.#books.agent(peer);
    if (agent === null || agent.revoked !== null || agent.latest === null)
      throw new AuthorityRefusedError(agent === null ? 'agent-unknown' : 'agent-revoked');
    return { state: 'issued', id, certificates: [agent.latest], root: this.root, reason: null };
  }

  async #nextList(
    more: readonly TableChange[],
  ): Promise<{ readonly list: ListRecord; readonly changes: TableChange[] }> {
    const nowMs = this.#dependencies.clock.now();
    const { entries, changes } = this.#books.revokedEntries(nowMs, more);
    const number = (this.#books.list()?.number ?? 0) + 1;
    const nextUpdateMs = Math.floor((nowMs + authorityLimits.crlMs) / 1000) * 1000;
    const list = { number, nextUpdateMs, der: await this.#issuer.signList(entries, number, nextUpdateMs) };
    return { list, changes: [...changes, this.#books.putList(list)] };
  }

  /** One after the other: what is read and written in between is nobody else's. */
  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    if (this.#waiting >= authorityLimits.waitingMax) return Promise.reject(new AuthorityRefusedError('authority-busy'));
    this.#waiting += 1;
    return this.#operators(action).finally(() => {
      this.#waiting -= 1;
    });
  }

  /** The same for operators, whom no crowd of agents keeps from revoking. They are few. */
  #operators<T>(action: () => Promise<T>): Promise<T> {
    const run = this.#last.then(action);
    this.#last = run.catch(() => {});
    return run;
  }
}
