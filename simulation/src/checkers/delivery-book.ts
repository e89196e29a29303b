import { Quantiles } from '../report/quantiles.ts';

/** What is promised of deliveries; what is broken is reported, never thrown. */
export interface DeliveryPromise {
  /** A message that comes later counts as not delivered, milliseconds. */
  readonly withinMs: number;
  /** Share of (message, live reader) pairs that must be served, 0 … 1. */
  readonly ratioMin: number;
  /** A reader counts once it has been up for so long. */
  readonly settledMs: number;
  /**
   * Of messages published before, virtual milliseconds since the start, no share is promised: only that none is given twice, to a
   * stranger, or made up. Default: the start.
   */
  readonly fromMs?: number;
}

/** A message as the book knows it. */
interface Entry {
  readonly atMs: number;
  readonly topic: number;
  readonly publisher: number;
  /** What each node has of it, by number of node: a sum of {@link given}. */
  readonly given: Uint8Array;
}

/** In a node's present life; in any life; for the first time past the time promised. */
const given = { now: 1, ever: 2, late: 4 } as const;

/** More entries than this in one book (messages × nodes) are refused. */
const cellsMax = 1_000_000_000;

/**
 * Keeps who was given which message and when, beside the run; knows at the end who should have been given it: every
 * node that read the topic, was up when it was published, and stayed up while it may still come. What went down with its publisher
 * before anybody had it is expected nowhere.
 */
export class DeliveryBook {
  readonly latencyMs = new Quantiles();
  readonly hops = new Quantiles();
  readonly #promise: DeliveryPromise;
  readonly #nodes: number;
  readonly #readersOf: readonly (readonly number[])[];
  readonly #reads: readonly ReadonlySet<number>[];
  readonly #entries = new Map<number, Entry>();
  /** The times at which each node came up and went down, in turn. */
  readonly #lives: number[][];
  #delivered = 0;
  #twice = 0;
  #toStrangers = 0;
  #unknown = 0;

  /** `readersOf`: the nodes that read each topic. */
  constructor(promise: DeliveryPromise, nodes: number, readersOf: readonly (readonly number[])[]) {
    this.#promise = promise;
    this.#nodes = nodes;
    this.#readersOf = readersOf;
    this.#reads = readersOf.map((readers) => new Set(readers));
    this.#lives = Array.from({ length: nodes }, () => []);
  }

  cameUp(node: number, atMs: number): void {
    const times = this.#lives[node];
    if (times === undefined || times.length % 2 === 1) return;
    // A process that starts anew may be given again what an earlier one was given: what it kept is the application's.
    if (times.length > 0) for (const entry of this.#entries.values()) set(entry, node, given.now, false);
    times.push(atMs);
  }

  wentDown(node: number, atMs: number): void {
    const times = this.#lives[node];
    if (times !== undefined && times.length % 2 === 1) times.push(atMs);
  }

  published(number: number, topic: number, publisher: number, atMs: number): void {
    if ((this.#entries.size + 1) * this.#nodes > cellsMax) throw new RangeError('more deliveries than a book holds');
    this.#entries.set(number, { atMs, topic, publisher, given: new Uint8Array(this.#nodes) });
  }

  delivered(node: number, number: number | undefined, atMs: number, hops: number): void {
    const entry = number === undefined ? undefined : this.#entries.get(number);
    if (entry === undefined || node >= this.#nodes) {
      this.#unknown += 1;
      return;
    }
    if (node === entry.publisher) return;
    if (!this.#reads[entry.topic]?.has(node)) {
      this.#toStrangers += 1;
      return;
    }
    const before = entry.given[node] as number; // below the length
    if ((before & given.now) !== 0) this.#twice += 1;
    set(entry, node, given.now, true);
    if ((before & given.ever) !== 0) return;
    set(entry, node, given.ever, true);
    this.#delivered += 1;
    const latencyMs = atMs - entry.atMs;
    if (latencyMs > this.#promise.withinMs) set(entry, node, given.late, true);
    this.latencyMs.add(latencyMs);
    this.hops.add(hops);
  }

  /** The end of the run: what was delivered of what should have been. */
  close(untilMs: number): DeliveryReport {
    const missing: MissingDelivery[] = [];
    let expected = 0;
    let served = 0;
    let late = 0;
    const bySecond = new Map<number, { expected: number; served: number }>();
    for (const [number, entry] of this.#entries) {
      if (entry.atMs < (this.#promise.fromMs ?? 0) || this.#isGoneWithItsPublisher(entry)) continue;
      const second = Math.floor(entry.atMs / 1_000);
      const sum = bySecond.get(second) ?? { expected: 0, served: 0 };
      bySecond.set(second, sum);
      for (const node of this.#readersOf[entry.topic] ?? []) {
        if (node === entry.publisher || !this.#wasThere(node, entry.atMs, untilMs)) continue;
        sum.expected += 1;
        const has = entry.given[node] as number; // below the length
        if ((has & given.late) !== 0) late += 1;
        if ((has & given.ever) !== 0) sum.served += 1;
        else if (missing.length < missingMax) missing.push({ number, node, topic: entry.topic, atMs: entry.atMs });
      }
    }
    for (const sum of bySecond.values()) {
      expected += sum.expected;
      served += sum.served;
    }
    const overTime = [...bySecond].sort(([a], [b]) => a - b).map(([second, sum]) => ({ second, ...sum }));
    return this.#report({ expected, served, late, overTime, missing });
  }

  /** The share of what was published from `fromMs` to `untilMs`, on topics it reads, that one node was given. */
  servedShareOf(node: number, fromMs: number, untilMs: number): number {
    let expected = 0;
    let served = 0;
    for (const { atMs, topic, publisher, given: has } of this.#entries.values()) {
      if (atMs < fromMs || atMs >= untilMs || publisher === node || !this.#reads[topic]?.has(node)) continue;
      expected += 1;
      if (((has[node] as number) & given.ever) !== 0) served += 1; // below the length
    }
    return expected === 0 ? 1 : served / expected;
  }

  /** The share of deliveries of one publisher's messages, from `fromMs`, that were made, to readers of any life. */
  servedShareFrom(publisher: number, fromMs: number): number {
    let expected = 0;
    let served = 0;
    for (const entry of this.#entries.values()) {
      if (entry.publisher !== publisher || entry.atMs < fromMs) continue;
      for (const node of this.#readersOf[entry.topic] ?? []) {
        if (node === publisher) continue;
        expected += 1;
        if (((entry.given[node] as number) & given.ever) !== 0) served += 1; // below the length
      }
    }
    return expected === 0 ? 1 : served / expected;
  }

  #report(sums: Pick<DeliveryReport, 'expected' | 'served' | 'late' | 'overTime' | 'missing'>): DeliveryReport {
    const { expected, served, late, missing } = sums;
    const ratio = expected === 0 ? 1 : served / expected;
    const violations: string[] = [];
    if (ratio < this.#promise.ratioMin) {
      const first = missing[0];
      violations.push(
        `${served} of ${expected} deliveries, a ratio of ${ratio.toFixed(5)} where ${this.#promise.ratioMin} is promised` +
          (first === undefined ? '' : `; the first missing: message ${first.number} at node ${first.node}`),
      );
    }
    if (this.#twice > 0) violations.push(`${this.#twice} deliveries of what had been delivered`);
    if (this.#toStrangers > 0) violations.push(`${this.#toStrangers} deliveries to nodes that do not read the topic`);
    if (this.#unknown > 0) violations.push(`${this.#unknown} deliveries of what nobody published`);
    if (late > 0 && (served - late) / Math.max(1, expected) < this.#promise.ratioMin) {
      violations.push(`${late} deliveries came after ${this.#promise.withinMs} ms`);
    }
    const messages = this.#entries.size;
    return { ...sums, messages, ratio, delivered: this.#delivered, violations };
  }

  /** Whether its publisher went down while the message was on its way to the first others, none of whom was given it. */
  #isGoneWithItsPublisher({ atMs, publisher, given: has }: Entry): boolean {
    const times = this.#lives[publisher] as readonly number[]; // below the count of nodes
    const wentDown = times.some((time, index) => index % 2 === 1 && time >= atMs && time <= atMs + departureMs);
    return wentDown && !has.some((bits, node) => node !== publisher && (bits & given.ever) !== 0);
  }

  /** Whether a node was up and settled at `atMs` and stayed up for as long as a message has to come. */
  #wasThere(node: number, atMs: number, untilMs: number): boolean {
    const times = this.#lives[node] as readonly number[]; // below the count of nodes
    const endMs = Math.min(untilMs, atMs + this.#promise.withinMs);
    for (let index = 0; index < times.length; index += 2) {
      const upMs = times[index] as number; // below the length
      const downMs = times[index + 1] ?? Number.POSITIVE_INFINITY;
      // The first start of a run needs no settling of its own: the warm-up is for that.
      if (atMs >= upMs + (index === 0 ? 0 : this.#promise.settledMs) && downMs > endMs) return true;
    }
    return false;
  }
}

const missingMax = 20;

/** A message is on its way to the first other nodes for so long at most, milliseconds. */
const departureMs = 1_000;

function set(entry: Entry, node: number, bit: number, isSet: boolean): void {
  const before = entry.given[node] as number; // below the length
  entry.given[node] = isSet ? before | bit : before & ~bit;
}

export interface MissingDelivery {
  readonly number: number;
  readonly node: number;
  readonly topic: number;
  readonly atMs: number;
}

/** What a book says at the end. */
export interface DeliveryReport {
  readonly messages: number;
  /** Pairs of a message and a live reader of its topic, its publisher left out. */
  readonly expected: number;
  /** Of these, how many were served by the end of the run. */
  readonly served: number;
  readonly ratio: number;
  /** All first deliveries, those to nodes that came or went meanwhile included. */
  readonly delivered: number;
  /** Served, but past the time promised. */
  readonly late: number;
  /** By the second in which the message was published. */
  readonly overTime: readonly { readonly second: number; readonly expected: number; readonly served: number }[];
  /** Some of what was not served. */
  readonly missing: readonly MissingDelivery[];
  readonly violations: readonly string[];
}
