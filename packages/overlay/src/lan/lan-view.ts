import type { Random } from '@pulsemesh/base';
import { createSigner, type Signer } from '@pulsemesh/crypto';
import { fromHex, type PeerId, peerIdOfEd25519, toHex } from '@pulsemesh/wire';
import { TokenBuckets } from '../token-buckets.ts';
import { HelloGate, type HelloRefusal } from './hello-gate.ts';
import { encodeHello, lanCapability, type Site } from './lan-hello.ts';
import { lanLimits, lanPeriods } from './lan-parameters.ts';
import { type Family, type HelloSource, LanEntry, type LanPeer, type Spot } from './lan-peer.ts';

/** What a view asks of its driver. */
export type LanOutput =
  /** To the group. */
  | { readonly kind: 'announce'; readonly family: Family; readonly bytes: Uint8Array }
  | { readonly kind: 'answer'; readonly to: HelloSource; readonly bytes: Uint8Array }
  /** Whether it could be dialled is said with {@link LanView.dialled}. `peer`: who it has to be, where that is known. */
  | { readonly kind: 'dial'; readonly key: string; readonly spots: readonly Spot[]; readonly peer: PeerId | undefined }
  | { readonly kind: 'found'; readonly peer: LanPeer }
  | { readonly kind: 'lost'; readonly peer: LanPeer };

/** How a view behaves. */
export interface LanViewOptions {
  /** Whether hellos are said, or only heard. */
  readonly announces: boolean;
  /** With it, the node's own key signs hellos, and hellos of others that are not of the site are refused. */
  readonly site?: { readonly keys: Site; readonly signer: Signer };
}

/** What a view needs from around it. */
export interface LanViewDependencies {
  readonly random: Random;
  /** Whether the node has links that lead out of this network. */
  readonly isBeyond: () => boolean;
}

/**
 * Everybody on one local network who says hello (spec overlay §11): a machine for one interface. Hellos are hostile input:
 * what does not hold is counted in {@link refusals} and otherwise ignored. {@link dueAtMs} says when {@link wake} is wanted.
 */
export class LanView {
  readonly #options: LanViewOptions;
  readonly #deps: LanViewDependencies;
  readonly #gate: HelloGate;
  readonly #dials = new TokenBuckets<string>(lanLimits.dialsPerMinute, 1);
  readonly #entries = new Map<string, LanEntry>();
  readonly #countAt = new Map<string, number>();
  readonly #refusals = new Map<HelloRefusal, number>();
  #answers: { readonly to: HelloSource; readonly atMs: number }[] = [];
  #ports: Partial<Record<Family, number>> = {};
  #hellos: Partial<Record<Family, Uint8Array>> = {};
  #signer: Signer;
  #day = -1;
  #expiresAtSeconds = 0;
  #helloAtMs = Number.POSITIVE_INFINITY;
  #firstHellosLeft = 0;

  constructor(options: LanViewOptions, dependencies: LanViewDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.#signer = options.site?.signer ?? createSigner(dependencies.random.bytes(32));
    this.#gate = new HelloGate({
      site: options.site?.keys,
      isOwn: (key) => key === this.key,
      entry: (key) => this.#entries.get(key),
      hasRoom: () => this.#hasRoom(),
      countAt: (address) => this.#countAt.get(address) ?? 0,
    });
  }

  /** Hex of the key that signs our hellos. */
  get key(): string {
    return toHex(this.#signer.publicKey);
  }

  get peers(): readonly LanPeer[] {
    return [...this.#entries.values()];
  }

  get refusals(): ReadonlyMap<HelloRefusal, number> {
    return this.#refusals;
  }

  /** When {@link wake} wants to be called, unix milliseconds; calling it earlier does no harm. */
  get dueAtMs(): number {
    let due = this.#helloAtMs;
    for (const { atMs } of this.#answers) due = Math.min(due, atMs);
    for (const entry of this.#entries.values()) {
      due = Math.min(due, entry.dialAtMs, entry.heardAtMs + this.#lostAfterMs);
    }
    return due;
  }

  /** Says from now on that the node can be dialled at these ports; without any it says nothing. */
  setPorts(ports: Partial<Record<Family, number>>, nowMs: number): void {
    if (ports.ip4 === this.#ports.ip4 && ports.ip6 === this.#ports.ip6) return;
    this.#ports = ports;
    this.#hellos = {};
    if (!this.#options.announces || (ports.ip4 === undefined && ports.ip6 === undefined)) {
      this.#helloAtMs = Number.POSITIVE_INFINITY;
      return;
    }
    this.#firstHellosLeft = lanPeriods.firstHellos;
    this.#helloAtMs = nowMs + this.#deps.random.float() * lanPeriods.firstSpanMs;
  }

  /** A datagram that came to the group, or to us alone. */
  receive(bytes: Uint8Array, from: HelloSource, nowMs: number): LanOutput[] {
    const seen = this.#gate.look(bytes, from, nowMs);
    if (typeof seen === 'string') {
      this.#refusals.set(seen, (this.#refusals.get(seen) ?? 0) + 1);
      return [];
    }
    const { hello, key } = seen;
    const known = this.#entries.get(key);
    const entry = known ?? this.#add(key, from, nowMs);
    entry.heardAtMs = nowMs;
    entry.capabilities = hello.capabilities;
    const { family, address } = from;
    const before = entry.spots;
    if (entry.moveTo({ family, address, port: hello.port }, hello)) {
      this.#recount(before, entry.spots);
      this.#dialSoon(entry, nowMs);
    }
    return known === undefined ? [{ kind: 'found', peer: entry }] : [];
  }

  /** How a dial ended: with the peer that was met, or null. */
  dialled(key: string, peer: PeerId | null, nowMs: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.dialAtMs = Number.POSITIVE_INFINITY;
    if (peer !== null) {
      entry.peer = peer;
      entry.failures = 0;
      return;
    }
    const { retryMs, retryMsMax } = lanPeriods;
    entry.dialAtMs =
      nowMs + Math.min(retryMsMax, retryMs * 2 ** entry.failures) * (0.75 + this.#deps.random.float() / 2);
    entry.failures = Math.min(entry.failures + 1, 16);
  }

  /** Does what is due. */
  wake(nowMs: number): LanOutput[] {
    const outputs: LanOutput[] = this.#expire(nowMs);
    if (this.#helloAtMs <= nowMs) outputs.push(...this.#sayHello(nowMs));
    outputs.push(...this.#answer(nowMs), ...this.#dial(nowMs));
    return outputs;
  }

  /** With more peers than fit the period, everybody says hello the less often. */
  get #stretch(): number {
    return Math.max(1, this.#entries.size / lanPeriods.siteSize);
  }

  get #longestPeriodMs(): number {
    return (lanPeriods.helloMs + lanPeriods.jitterMs) * this.#stretch;
  }

  get #lostAfterMs(): number {
    return lanPeriods.lostPeriods * this.#longestPeriodMs;
  }

  #add(key: string, from: HelloSource, nowMs: number): LanEntry {
    if (this.#entries.size >= lanLimits.peersMax) this.#dropOneThatFailed();
    const entry = new LanEntry(key);
    this.#entries.set(key, entry);
    const mayAnswer = this.#helloAtMs < Number.POSITIVE_INFINITY && !from.isAnswer;
    if (mayAnswer && this.#answers.length < lanLimits.answersWaitingMax) {
      this.#answers.push({ to: from, atMs: nowMs + this.#deps.random.float() * lanPeriods.answerMs });
    }
    return entry;
  }

  #hasRoom(): boolean {
    if (this.#entries.size < lanLimits.peersMax) return true;
    for (const entry of this.#entries.values()) if (hasFailed(entry)) return true;
    return false;
  }

  /** Who says hello and cannot be dialled gives way to others. */
  #dropOneThatFailed(): void {
    const failed = this.#entries.values().find(hasFailed);
    if (failed !== undefined) this.#remove(failed);
  }

  #remove(entry: LanEntry): void {
    this.#entries.delete(entry.key);
    this.#recount(entry.spots, []);
  }

  #recount(before: readonly Spot[], after: readonly Spot[]): void {
    const add = (address: string, count: number) => {
      const sum = (this.#countAt.get(address) ?? 0) + count;
      if (sum > 0) this.#countAt.set(address, sum);
      else this.#countAt.delete(address);
    };
    for (const { address } of before) add(address, -1);
    for (const { address } of after) add(address, 1);
  }

  #expire(nowMs: number): LanOutput[] {
    const lost = [...this.#entries.values()].filter((entry) => entry.heardAtMs + this.#lostAfterMs <= nowMs);
    for (const entry of lost) this.#remove(entry);
    return lost.map((peer) => ({ kind: 'lost', peer }));
  }

  #sayHello(nowMs: number): LanOutput[] {
    this.#makeHellos(nowMs);
    this.#firstHellosLeft -= 1;
    const { helloMs, jitterMs, firstSpanMs } = lanPeriods;
    const jitter = (2 * this.#deps.random.float() - 1) * jitterMs;
    this.#helloAtMs = nowMs + (this.#firstHellosLeft > 0 ? firstSpanMs : (helloMs + jitter) * this.#stretch);
    return (['ip4', 'ip6'] as const).flatMap((family) => {
      const bytes = this.#hellos[family];
      return bytes === undefined ? [] : [{ kind: 'announce' as const, family, bytes }];
    });
  }

  #makeHellos(nowMs: number): void {
    const day = Math.floor(nowMs / lanPeriods.keyMs);
    const { site } = this.#options;
    if (site === undefined && this.#day !== -1 && this.#day !== day) {
      this.#signer = createSigner(this.#deps.random.bytes(32));
      this.#expiresAtSeconds = 0;
    }
    this.#day = day;
    const untilMs = nowMs + lanPeriods.lostPeriods * this.#longestPeriodMs;
    // Greater with each hello, else it is taken for one that is repeated.
    this.#expiresAtSeconds = Math.max(this.#expiresAtSeconds + 1, Math.ceil(untilMs / 1_000));
    this.#hellos = {};
    for (const family of ['ip4', 'ip6'] as const) {
      const port = this.#ports[family];
      if (port === undefined) continue;
      const capabilities = this.#deps.isBeyond() ? lanCapability.beyond : 0;
      const said = { port, nonce: this.#deps.random.bytes(8), expiresAtSeconds: this.#expiresAtSeconds, capabilities };
      this.#hellos[family] = encodeHello(said, this.#signer, site?.keys);
    }
  }

  /** The last hello serves as answer: a crowd of new peers costs no signature. */
  #answer(nowMs: number): LanOutput[] {
    const due = this.#answers.filter(({ atMs }) => atMs <= nowMs);
    if (due.length > 0) this.#answers = this.#answers.filter(({ atMs }) => atMs > nowMs);
    return due.flatMap(({ to }) => {
      const bytes = this.#hellos[to.family];
      return bytes === undefined ? [] : [{ kind: 'answer' as const, to, bytes }];
    });
  }

  #dialSoon(entry: LanEntry, nowMs: number): void {
    const isForUs = this.#helloAtMs === Number.POSITIVE_INFINITY || this.key < entry.key;
    entry.dialAtMs = nowMs + (isForUs ? 0 : lanPeriods.yieldMs * (1 + this.#deps.random.float()));
  }

  #dial(nowMs: number): LanOutput[] {
    const outputs: LanOutput[] = [];
    // Who could not be dialled comes after who was not tried, and chance decides among equals: hellos from addresses that somebody
    // made up delay honest ones, but not by all of them.
    const due = this.#deps.random.shuffle([...this.#entries.values()].filter(({ dialAtMs }) => dialAtMs <= nowMs));
    for (const entry of due.sort((one, other) => one.failures - other.failures)) {
      if (!this.#dials.take('', nowMs)) {
        entry.dialAtMs = nowMs + lanPeriods.retryMs * (0.5 + this.#deps.random.float());
        continue;
      }
      entry.dialAtMs = Number.POSITIVE_INFINITY; // until the driver says how it went
      outputs.push({ kind: 'dial', key: entry.key, spots: entry.spots, peer: this.#expected(entry) });
    }
    return outputs;
  }

  #expected(entry: LanEntry): PeerId | undefined {
    return this.#options.site === undefined ? undefined : peerIdOfEd25519(fromHex(entry.key));
  }
}

function hasFailed(entry: LanEntry): boolean {
  return entry.peer === undefined && entry.failures > 0;
}
