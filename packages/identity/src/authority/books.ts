import type { TableChange, TableStore } from '@pulsemesh/store';
import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import { AuthorityRefusedError } from './errors.ts';
import type { RevokedEntry } from './issuer.ts';
import { authorityLimits } from './limits.ts';
import {
  type AgentRecord,
  agentRecord,
  authorityTables,
  type ListRecord,
  listRecord,
  peerKey,
  type RecordCodec,
  type RequestRecord,
  type RevokedRecord,
  requestLabel,
  requestRecord,
  revokedRecord,
  serialKey,
  type TokenRecord,
  tokenRecord,
} from './records.ts';

/** What is revoked: an agent for good, or one certificate. */
export type RevocationTarget = { readonly peer: PeerId } | { readonly serial: string };

const { tokens, requests, agents, revoked, meta } = authorityTables;
const listKey = new TextEncoder().encode('list');
const noRequest = new Uint8Array(32);
/** Rows swept in one transaction; the rest waits for the next. */
const sweptMax = 10_000;

/** What the authority knows, in tables. Reads are of what is committed; changes are made here and committed by the caller. */
export class AuthorityBooks {
  readonly #store: TableStore;
  #pendingCount: number;

  constructor(store: TableStore) {
    this.#store = store;
    this.#pendingCount = this.pending().length;
  }

  /** All or nothing, on disk when it resolves. */
  async commit(changes: readonly TableChange[]): Promise<void> {
    // Counted as they change: a look through all requests for each would cost more with every agent.
    const isPending = (value: Uint8Array | undefined) =>
      value !== undefined && requestRecord.decode(value).state === 'pending';
    let added = 0;
    for (const change of changes) {
      if (change.table !== requests) continue;
      if (change.kind === 'put' && isPending(change.value)) added += 1;
      if (isPending(this.#store.get(requests, change.key))) added -= 1;
    }
    await this.#store.commit(changes);
    this.#pendingCount += added;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  agent(peer: PeerId): AgentRecord | null {
    return this.#get(agents, peerKey(peer), agentRecord);
  }

  agentCount(): number {
    return this.#store.count(agents);
  }

  agents({ after, limit = 1_000 }: { readonly after?: PeerId; readonly limit?: number }) {
    // The first key after one is that key and a zero byte.
    const from = after === undefined ? {} : { from: new Uint8Array([...peerKey(after), 0]) };
    return [...this.#store.range(agents, { ...from, limit })].map(({ key, value }) => ({
      peer: parsePeerId(new TextDecoder().decode(key)),
      record: agentRecord.decode(value),
    }));
  }

  putAgent(peer: PeerId, record: AgentRecord): TableChange {
    return put(agents, peerKey(peer), agentRecord.encode(record));
  }

  request(id: Uint8Array): RequestRecord | null {
    return this.#get(requests, id, requestRecord);
  }

  putRequest(id: Uint8Array, record: RequestRecord): TableChange {
    return put(requests, id, requestRecord.encode(record));
  }

  pending(): readonly { readonly id: Uint8Array; readonly record: RequestRecord }[] {
    return [...this.#store.range(requests)]
      .map(({ key, value }) => ({ id: key, record: requestRecord.decode(value) }))
      .filter(({ record }) => record.state === 'pending');
  }

  /** @throws {AuthorityRefusedError} unless exactly one request that waits has this label. */
  pendingByLabel(label: string): { readonly id: Uint8Array; readonly record: RequestRecord } {
    const [found, second] = this.pending().filter(({ id }) => requestLabel(id) === label);
    if (found === undefined || second !== undefined) throw new AuthorityRefusedError('request-unknown');
    return found;
  }

  token(hash: Uint8Array): (TokenRecord & { readonly hash: Uint8Array }) | null {
    const [entry] = this.#store.range(tokens, { from: hash, limit: 1 });
    return entry === undefined ? null : { ...tokenRecord.decode(entry.value), hash: entry.key };
  }

  tokenCount(): number {
    return this.#store.count(tokens);
  }

  /** A token that is used up is removed. */
  putToken(hash: Uint8Array, record: TokenRecord): TableChange {
    if (record.usesLeft === 0) return { kind: 'remove', table: tokens, key: hash };
    return put(tokens, hash, tokenRecord.encode(record));
  }

  revoked(serial: string): RevokedRecord | null {
    return this.#get(revoked, serialKey(serial), revokedRecord);
  }

  /** @throws {AuthorityRefusedError} `certificate-unknown`, `authority-full`. */
  revocation(
    target: RevocationTarget,
    { reason, atMs }: { readonly reason: string; readonly atMs: number },
  ): { readonly peer: PeerId; readonly changes: readonly TableChange[] } {
    const row = (peer: PeerId, serial: string, notAfterMs: number) =>
      put(revoked, serialKey(serial), revokedRecord.encode({ peer, reason, atMs, notAfterMs }));
    if ('serial' in target) {
      const { peer, held } = this.#holderOf(target.serial);
      return { peer, changes: [row(peer, target.serial, held.notAfterMs)] };
    }
    const { peer } = target;
    const known = this.agent(peer);
    if (known === null && this.agentCount() >= authorityLimits.agentsMax)
      throw new AuthorityRefusedError('authority-full');
    const stranger = {
      organisation: 'unknown',
      role: 'agent',
      enrolledMs: atMs,
      held: [],
      latest: null,
      latestRequest: noRequest,
    } as const;
    const record = { ...(known ?? stranger), revoked: known?.revoked ?? { atMs, reason } };
    const rows = record.held.map(({ serial, notAfterMs }) => row(peer, serial, notAfterMs));
    return { peer, changes: [this.putAgent(peer, record), ...rows] };
  }

  list(): ListRecord | null {
    return this.#get(meta, listKey, listRecord);
  }

  putList(list: ListRecord): TableChange {
    return put(meta, listKey, listRecord.encode(list));
  }

  /** What a list says, with rows that `more` is about to add; rows of certificates that ended are removed by `changes`. */
  revokedEntries(nowMs: number, more: readonly TableChange[]) {
    const rows = new Map<string, RevokedRecord>();
    const add = (key: Uint8Array, value: Uint8Array) =>
      rows.set(new TextDecoder().decode(key), revokedRecord.decode(value));
    for (const { key, value } of this.#store.range(revoked)) add(key, value);
    for (const change of more) if (change.table === revoked && change.kind === 'put') add(change.key, change.value);
    const entries: RevokedEntry[] = [];
    const changes: TableChange[] = [];
    for (const [serial, { atMs, notAfterMs, reason }] of rows) {
      // One list more than needed names each (RFC 5280 §3.3).
      if (notAfterMs + authorityLimits.crlMs < nowMs)
        changes.push({ kind: 'remove', table: revoked, key: serialKey(serial) });
      else entries.push({ serial, atMs, isCompromised: reason === 'key-compromise' });
    }
    return { entries, changes };
  }

  async sweep(nowMs: number): Promise<void> {
    const changes: TableChange[] = [];
    for (const { key, value } of this.#store.range(requests)) {
      const isOld = requestRecord.decode(value).createdMs + authorityLimits.requestKeepMs < nowMs;
      if (isOld) changes.push({ kind: 'remove', table: requests, key });
    }
    for (const { key, value } of this.#store.range(tokens)) {
      if (tokenRecord.decode(value).expiresMs < nowMs) changes.push({ kind: 'remove', table: tokens, key });
    }
    if (changes.length > 0) await this.commit(changes.slice(0, sweptMax));
  }

  #holderOf(serial: string) {
    for (const { key, value } of this.#store.range(agents)) {
      const held = agentRecord.decode(value).held.find((one) => one.serial === serial);
      if (held !== undefined) return { peer: parsePeerId(new TextDecoder().decode(key)), held };
    }
    throw new AuthorityRefusedError('certificate-unknown');
  }

  #get<T>(table: string, key: Uint8Array, codec: RecordCodec<T>): T | null {
    const value = this.#store.get(table, key);
    return value === undefined ? null : codec.decode(value);
  }
}

function put(table: string, key: Uint8Array, value: Uint8Array): TableChange {
  return { kind: 'put', table, key, value };
}
