import { assert, type Random } from '@pulsemesh/base';
import { type TransportName, transportNames } from '../carrier.ts';
import { type Attempt, attemptDueMs, createAttempt, probeDueMs, silence, stallMs } from './attempt.ts';
import type { TransportFailure } from './errors.ts';
import * as timing from './ladder-timing.ts';
import type { LadderCommand, LadderMemo, LadderOptions } from './ladder-types.ts';
import { type AttemptFailure, TransportRecord } from './transport-record.ts';

/**
 * Decides which transports to try, which one to use, and when to leave it: a state machine without I/O and without a timer. Every
 * input gives the commands it leads to; `tick` at `nextAtMs` does what is due. Times are milliseconds of one monotonic clock.
 */
export class Ladder {
  readonly #transports: readonly TransportName[];
  readonly #random: Random;
  readonly #records: ReadonlyMap<TransportName, TransportRecord>;
  readonly #attempts = new Map<number, Attempt>();
  #lastId = 0;
  #active: Attempt | null = null;
  /** Transports of this race that have not started, soonest first. Empty unless racing. */
  #schedule: { readonly transport: TransportName; atMs: number }[] = [];
  #isRacing = false;
  #rounds = 0;
  #nextRoundMs: number | null = null;
  #winner: TransportName | null;
  #pinned: TransportName | null = null;
  #isBusy = false;
  #commands: LadderCommand[] = [];

  constructor(options: LadderOptions, deps: { readonly random: Random }) {
    this.#transports = transportNames.filter((name) => options.transports.includes(name));
    assert(this.#transports.length > 0, 'a ladder without transports');
    this.#random = deps.random;
    this.#winner = options.memo?.winner ?? null;
    this.#records = new Map(
      this.#transports.map((name) => [
        name,
        new TransportRecord({
          heartbeatMs: options.memo?.heartbeatMs[name],
          lifetimeMs: options.memo?.lifetimeMs[name],
        }),
      ]),
    );
  }

  /** The attempt in use; null while none is. */
  get active(): number | null {
    return this.#active?.id ?? null;
  }

  /** The transport an operator asked for; null: the ladder chooses. */
  get pinned(): TransportName | null {
    return this.#pinned;
  }

  /** Attempts that live. */
  get attempts(): readonly { readonly attempt: number; readonly transport: TransportName; readonly state: string }[] {
    return [...this.#attempts.values()].map(({ id, transport, state }) => ({ attempt: id, transport, state }));
  }

  get memo(): LadderMemo {
    const heartbeatMs: Partial<Record<TransportName, number>> = {};
    const lifetimeMs: Partial<Record<TransportName, number>> = {};
    for (const [name, record] of this.#records) {
      if (record.heartbeatMs < timing.heartbeatMsStart) heartbeatMs[name] = record.heartbeatMs;
      if (record.lifetimeMs !== null) lifetimeMs[name] = record.lifetimeMs;
    }
    return { winner: this.#winner, heartbeatMs, lifetimeMs };
  }

  /** Why each transport failed last; those that did not are left out. */
  get failures(): readonly TransportFailure[] {
    return this.#transports.flatMap((transport) => {
      const failure = this.#recordOf(transport).lastFailure;
      return failure === null ? [] : [{ transport, code: failure.code, reason: failure.reason }];
    });
  }

  /** Begins the first race. */
  start(nowMs: number): readonly LadderCommand[] {
    this.#race(nowMs, this.#winner !== null && this.#transports.includes(this.#winner));
    return this.#take();
  }

  /** Data made a round trip on an attempt for the first time. */
  proven(id: number, rttMs: number, nowMs: number): readonly LadderCommand[] {
    const attempt = this.#attempts.get(id);
    if (attempt?.state !== 'opening') return [];
    Object.assign(attempt, { provenMs: nowMs, heardMs: nowMs, measuredMs: nowMs, rttMs });
    if (this.#active === null || attempt.transport === this.#pinned) this.#use(attempt, nowMs);
    else if (this.#isWanted(attempt)) {
      attempt.state = 'checking';
      this.#probe(attempt, nowMs);
    } else this.#drop(attempt, 'worse');
    return this.#take();
  }

  /** An attempt that was not proven is over. */
  failed(id: number, failure: AttemptFailure, nowMs: number): readonly LadderCommand[] {
    const attempt = this.#attempts.get(id);
    if (attempt === undefined) return [];
    this.#fail(attempt, failure, nowMs);
    return this.#take();
  }

  /** A proven attempt is over, without our doing. `idleMs`: how long nothing had been heard on it. */
  closed(id: number, end: AttemptFailure & { readonly idleMs: number }, nowMs: number): readonly LadderCommand[] {
    const attempt = this.#attempts.get(id);
    if (attempt === undefined) return [];
    if (attempt.state === 'opening' || attempt.state === 'checking') {
      this.#fail(attempt, end, nowMs);
      return this.#take();
    }
    this.#attempts.delete(id);
    const wasActive = attempt === this.#active;
    const record = this.#recordOf(attempt.transport);
    if (wasActive) record.cut({ ageMs: nowMs - attempt.startedMs, idleMs: end.idleMs });
    if (wasActive && nowMs - attempt.usedMs < timing.soundMs) record.failed(end, nowMs, this.#random);
    else if (wasActive) record.sound();
    if (wasActive) this.#replaceActive(nowMs);
    return this.#take();
  }

  /** The answer to a probe. */
  probed(id: number, rttMs: number, nowMs: number): readonly LadderCommand[] {
    const attempt = this.#attempts.get(id);
    if (attempt === undefined) return [];
    Object.assign(attempt, { rttMs, heardMs: nowMs, measuredMs: nowMs, probeSentMs: null });
    if (this.#active === null && attempt.state !== 'opening') this.#use(attempt, nowMs);
    else if (attempt.state === 'checking') {
      if (this.#isWanted(attempt)) this.#use(attempt, nowMs);
      else this.#drop(attempt, 'worse');
    }
    return this.#take();
  }

  /** Something arrived on an attempt. */
  heard(id: number, atMs: number): void {
    const attempt = this.#attempts.get(id);
    if (attempt !== undefined) attempt.heardMs = Math.max(attempt.heardMs, atMs);
  }

  /** Whether something sent is not acknowledged: then silence is looked into sooner. */
  setBusy(isBusy: boolean): void {
    this.#isBusy = isBusy;
  }

  /**
   * Moves to this transport and stays on it until it breaks; null: chooses again by itself.
   * A transport that is not among those of the options is refused (false).
   */
  pin(transport: TransportName | null, nowMs: number): readonly LadderCommand[] {
    this.#pinned = transport;
    if (transport === null || this.#active?.transport === transport) return this.#take();
    const ready = this.#best((attempt) => attempt.transport === transport && attempt.state !== 'opening');
    if (ready !== null) this.#use(ready, nowMs);
    else if (this.#best((attempt) => attempt.transport === transport) === null) this.#open(transport, nowMs);
    return this.#take();
  }

  /** When `tick` has something to do. */
  get nextAtMs(): number {
    let at = this.#nextRoundMs ?? Number.POSITIVE_INFINITY;
    const sooner = (candidateMs: number) => {
      at = Math.min(at, candidateMs);
    };
    if (this.#schedule[0] !== undefined) sooner(this.#schedule[0].atMs);
    for (const attempt of this.#attempts.values()) sooner(this.#dueMs(attempt));
    for (const transport of this.#betterThanActive()) sooner(this.#recordOf(transport).nextTryMs);
    return at;
  }

  /** Does what is due. */
  tick(nowMs: number): readonly LadderCommand[] {
    if (this.#nextRoundMs !== null && this.#nextRoundMs <= nowMs) this.#race(nowMs, false);
    for (const attempt of [...this.#attempts.values()]) {
      if (this.#attempts.has(attempt.id) && this.#dueMs(attempt) <= nowMs) this.#due(attempt, nowMs);
    }
    for (const transport of this.#betterThanActive()) {
      if (this.#recordOf(transport).nextTryMs <= nowMs) this.#open(transport, nowMs);
    }
    this.#startScheduled(nowMs);
    return this.#take();
  }

  // When something is to be done about an attempt.
  #dueMs(attempt: Attempt): number {
    const record = this.#recordOf(attempt.transport);
    return attemptDueMs(attempt, record, { isBusy: this.#isBusy, isReplaced: this.#isReplaced(attempt) });
  }

  // Another of its kind stands or is being opened beside it.
  #isReplaced(attempt: Attempt): boolean {
    return this.#best((other) => other !== attempt && other.transport === attempt.transport) !== null;
  }

  #due(attempt: Attempt, nowMs: number): void {
    switch (attempt.state) {
      case 'opening':
      case 'checking': {
        this.#commands.push({ kind: 'close', attempt: attempt.id, why: 'timeout' });
        const afterMs = Math.round(nowMs - (attempt.probeSentMs ?? attempt.startedMs));
        this.#fail(attempt, { code: 'timeout', reason: silence(afterMs) }, nowMs);
        return;
      }
      case 'leaving':
        this.#drop(attempt, 'replaced');
        return;
      case 'stalled':
        this.#drop(attempt, 'timeout');
        return;
      case 'active':
        this.#activeIsDue(attempt, nowMs);
    }
  }

  #activeIsDue(attempt: Attempt, nowMs: number): void {
    const record = this.#recordOf(attempt.transport);
    const isOld = attempt.startedMs + record.replaceAfterMs <= nowMs;
    if (isOld && !this.#isReplaced(attempt)) this.#open(attempt.transport, nowMs);
    if (attempt.probeSentMs === null) {
      if (probeDueMs(attempt, record, this.#isBusy) <= nowMs) this.#probe(attempt, nowMs);
      return;
    }
    const stalledMs = nowMs - attempt.probeSentMs;
    if (stalledMs < stallMs(attempt)) return;
    // What arrived since the probe went out says that the carrier lives; the answer is only late.
    if (attempt.heardMs > attempt.probeSentMs) {
      attempt.probeSentMs = null;
      return;
    }
    attempt.state = 'stalled';
    attempt.leftMs = nowMs;
    record.failed({ code: 'timeout', reason: silence(Math.round(stalledMs)) }, nowMs, this.#random);
    this.#replaceActive(nowMs);
  }

  #replaceActive(nowMs: number): void {
    this.#active = null;
    this.#pinned = null;
    const standby = this.#best((attempt) => attempt.state === 'checking' || attempt.state === 'leaving');
    if (standby !== null) this.#use(standby, nowMs);
    else this.#race(nowMs, false);
  }

  #race(nowMs: number, isLed: boolean): void {
    this.#isRacing = true;
    this.#nextRoundMs = null;
    const busy = new Set(
      [...this.#attempts.values()].filter(({ state }) => state === 'opening').map((one) => one.transport),
    );
    this.#schedule = this.#transports
      .filter((transport) => !busy.has(transport))
      .map((transport) => ({ transport, atMs: nowMs + this.#delayOf(transport, nowMs, isLed) }))
      .sort((one, other) => one.atMs - other.atMs);
    // Where those that would start first are missing, nobody waits for them.
    const leadMs = (this.#schedule[0]?.atMs ?? nowMs) - nowMs;
    for (const entry of this.#schedule) entry.atMs -= leadMs;
    this.#startScheduled(nowMs);
  }

  #delayOf(transport: TransportName, nowMs: number, isLed: boolean): number {
    if (transport === this.#winner && this.#recordOf(transport).nextTryMs <= nowMs) return 0;
    const isRecent = this.#recordOf(transport).nextTryMs > nowMs;
    return (
      timing.raceDelayMs[transport] +
      (isLed ? timing.rememberedLeadMs : 0) +
      (isRecent ? timing.recentFailureDelayMs : 0)
    );
  }

  #startScheduled(nowMs: number): void {
    while (this.#schedule[0] !== undefined && this.#schedule[0].atMs <= nowMs) {
      const next = this.#schedule.shift();
      if (next !== undefined) this.#open(next.transport, nowMs);
    }
  }

  #open(transport: TransportName, nowMs: number): void {
    this.#lastId += 1;
    const attempt = createAttempt(this.#lastId, transport, nowMs);
    this.#attempts.set(attempt.id, attempt);
    this.#commands.push({ kind: 'open', attempt: attempt.id, transport });
  }

  #probe(attempt: Attempt, nowMs: number): void {
    attempt.probeSentMs = nowMs;
    this.#commands.push({ kind: 'probe', attempt: attempt.id });
  }

  #use(attempt: Attempt, nowMs: number): void {
    const previous = this.#active;
    if (previous !== null) Object.assign(previous, { state: 'leaving', leftMs: nowMs, probeSentMs: null });
    Object.assign(attempt, { state: 'active', usedMs: nowMs, heardMs: nowMs, probeSentMs: null });
    this.#active = attempt;
    this.#winner = attempt.transport;
    this.#isRacing = false;
    this.#rounds = 0;
    this.#nextRoundMs = null;
    this.#commands.push({ kind: 'use', attempt: attempt.id });
    this.#schedule = this.#schedule.filter(({ transport }) => this.#isBetter(transport));
    for (const other of [...this.#attempts.values()]) {
      if (other.state === 'stalled') this.#drop(other, 'replaced');
      else if ((other.state === 'opening' || other.state === 'checking') && !this.#isWanted(other))
        this.#drop(other, 'worse');
    }
  }

  #drop(attempt: Attempt, why: 'replaced' | 'timeout' | 'worse'): void {
    this.#attempts.delete(attempt.id);
    this.#commands.push({ kind: 'close', attempt: attempt.id, why });
  }

  #fail(attempt: Attempt, failure: AttemptFailure, nowMs: number): void {
    this.#attempts.delete(attempt.id);
    this.#recordOf(attempt.transport).failed(failure, nowMs, this.#random);
    if (attempt.transport === this.#pinned) this.#pinned = null;
    if (!this.#isRacing) return;
    // One that failed leaves its place to the next, which need not wait for its own time.
    if (this.#schedule[0] !== undefined) this.#schedule[0].atMs = Math.min(this.#schedule[0].atMs, nowMs);
    this.#startScheduled(nowMs);
    const isOver = this.#schedule.length === 0 && this.#best(({ state }) => state === 'opening') === null;
    if (isOver && this.#active === null) this.#exhaust(nowMs);
  }

  #exhaust(nowMs: number): void {
    this.#isRacing = false;
    this.#commands.push({ kind: 'exhausted', failures: this.failures });
    const pauseMs = Math.min(timing.roundPauseMsMax, timing.roundPauseMsFirst * 2 ** Math.min(this.#rounds, 10));
    this.#rounds += 1;
    const askedMs = Math.max(...this.#transports.map((name) => this.#recordOf(name).lastFailure?.retryAfterMs ?? 0));
    this.#nextRoundMs = nowMs + Math.max(pauseMs, askedMs) * (0.5 + this.#random.float());
  }

  // Worth having beside the active one: what was asked for, a better one that is not much slower, or the same anew.
  #isWanted(attempt: Attempt): boolean {
    if (this.#active === null || attempt.transport === this.#pinned) return true;
    if (this.#pinned !== null) return attempt.transport === this.#active.transport;
    if (attempt.transport === this.#active.transport)
      return attempt.startedMs > this.#active.startedMs + timing.soundMs;
    if (!this.#isBetter(attempt.transport)) return false;
    return attempt.rttMs <= Math.max(2 * this.#active.rttMs, this.#active.rttMs + 50);
  }

  #isBetter(transport: TransportName): boolean {
    return this.#active === null || this.#rankOf(transport) < this.#rankOf(this.#active.transport);
  }

  #betterThanActive(): readonly TransportName[] {
    if (this.#active === null || this.#pinned !== null) return [];
    const tried = new Set([...this.#attempts.values()].map(({ transport }) => transport));
    for (const { transport } of this.#schedule) tried.add(transport);
    return this.#transports.filter((transport) => !tried.has(transport) && this.#isBetter(transport));
  }

  #best(isMeant: (attempt: Attempt) => boolean): Attempt | null {
    let best: Attempt | null = null;
    for (const attempt of this.#attempts.values()) {
      if (!isMeant(attempt)) continue;
      if (best === null || this.#rankOf(attempt.transport) < this.#rankOf(best.transport)) best = attempt;
    }
    return best;
  }

  #rankOf(transport: TransportName): number {
    return this.#transports.indexOf(transport);
  }

  #recordOf(transport: TransportName): TransportRecord {
    const record = this.#records.get(transport);
    assert(record !== undefined, 'a transport the ladder was not given');
    return record;
  }

  #take(): readonly LadderCommand[] {
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }
}
