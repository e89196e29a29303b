import { percentile } from '../report.ts';

/** Which messages reached whom, and how soon. Times are milliseconds of one clock. */
export class Tally {
  readonly #sent = new Map<number, { readonly atMs: number; readonly by: number; readonly got: Uint8Array }>();
  readonly #nodes: number;
  readonly latenciesMs: number[] = [];
  expected = 0;
  lastAtMs = 0;

  constructor(nodes: number) {
    this.#nodes = nodes;
  }

  get delivered(): number {
    return this.latenciesMs.length;
  }

  get ratio(): number {
    return this.expected === 0 ? 1 : this.delivered / this.expected;
  }

  /** `readers`: how many others should be given it. */
  sent(number: number, by: number, readers: number, atMs: number): void {
    this.#sent.set(number, { atMs, by, got: new Uint8Array(this.#nodes) });
    this.expected += readers;
  }

  /** Only the first time at each node counts, and nothing that is not of this tally. */
  got(number: number, node: number, atMs: number): void {
    const message = this.#sent.get(number);
    if (message === undefined || message.by === node || message.got[node] !== 0) return;
    message.got[node] = 1;
    this.lastAtMs = atMs;
    this.latenciesMs.push(atMs - message.atMs);
  }

  at(share: number): number {
    return percentile(this.latenciesMs, share);
  }

  /** The share of others' messages published since `fromMs` that one node was given. */
  servedOf(node: number, fromMs: number): number {
    const others = [...this.#sent.values()].filter(({ by, atMs }) => by !== node && atMs >= fromMs);
    return others.filter(({ got }) => got[node] === 1).length / Math.max(1, others.length);
  }

  /** The share of deliveries of what was published since `fromMs`, by one node or by all, on a topic that all read. */
  heardOf(by: number | undefined, fromMs: number): number {
    const messages = [...this.#sent.values()].filter(
      (one) => (by === undefined || one.by === by) && one.atMs >= fromMs,
    );
    const given = messages.reduce((sum, { got }) => sum + got.reduce((count, bit) => count + bit, 0), 0);
    return given / Math.max(1, messages.length * (this.#nodes - 1));
  }
}
