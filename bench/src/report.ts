/** One line of the bench contract: medians over `runs`, `ratio` always ours/peer. */
export interface BenchLine {
  readonly bench: string;
  readonly metric: string;
  readonly unit: string;
  readonly ours: number;
  /** Null where the peer has no such thing. */
  readonly peer: number | null;
  readonly peerName: string;
  readonly ratio: number | null;
  readonly runs: number;
  readonly conditions: string;
}

/** The middle value; of an even count, the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** The value below which `share` (0 … 1) of the values lie (nearest rank). NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Makes a line from the runs of both sides. */
export function benchLine(
  what: Pick<BenchLine, 'bench' | 'metric' | 'unit' | 'peerName' | 'conditions'>,
  ours: readonly number[],
  peer: readonly number[],
): BenchLine {
  const oursMedian = round(median(ours));
  const peerMedian = peer.length === 0 ? null : round(median(peer));
  const ratio = peerMedian === null || peerMedian === 0 ? null : round(oursMedian / peerMedian);
  return { ...what, ours: oursMedian, peer: peerMedian, ratio, runs: ours.length };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
