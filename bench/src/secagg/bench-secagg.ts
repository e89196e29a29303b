import { customarySumGraph } from '@pulsemesh/learning';
import { type BenchLine, benchLine } from '../report.ts';
import type { Cost } from './meter.ts';
import { runPlainSum } from './plain-sum.ts';
import { createSites, runSecureSum, type SumCase, vectorOf } from './run-sum.ts';

const counts = [3, 10, 30, 100];
const lengths = [1_313, 100_000, 1_000_000];
const goneShares = [0, 0.1, 0.3];
const attemptsMax = 30;
/** How often a case is run, by how many values a run sums up at most: one of many long vectors takes seconds by itself. */
const runsOf = [
  { values: 2e6, runs: 5 },
  { values: 2e7, runs: 3 },
];

/**
 * Secure sums beside the plain sum of the same vectors: processor time, bytes and time. `BENCH_ONLY` takes cases by parts of their names
 * (`n=100 d=100000`, several with commas), `BENCH_RUNS` sets how often each is run.
 */
export async function benchSecagg(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const lines: BenchLine[] = [];
  await measure({ sites: 10, length: 100_000, gone: 3, neighbours: 'all', threshold: 7 }, 2); // the machine warms up
  for (const which of cases()) {
    const usual = runsOf.find(({ values }) => which.sites * which.length <= values)?.runs ?? 1;
    const runs = Number(process.env['BENCH_RUNS'] ?? usual);
    const measured = await measure(which, runs);
    lines.push(...linesOf(which, measured));
    say(
      `${nameOf(which)}: ${lines
        .slice(-5)
        .map(({ metric, ours, unit, peer }) => `${metric} ${ours} ${unit} (plain ${peer})`)
        .join(', ')}`,
    );
  }
  return lines;
}

function cases(): readonly SumCase[] {
  const only = (process.env['BENCH_ONLY'] ?? '').split(',');
  const all = counts.flatMap((sites) =>
    lengths.flatMap((length) => goneShares.flatMap((share) => casesOf(sites, length, share))),
  );
  return all.filter((which) => only.some((part) => nameOf(which).includes(part)));
}

function casesOf(sites: number, length: number, goneShare: number): readonly SumCase[] {
  const gone = Math.round(sites * goneShare);
  if (goneShare > 0 && gone === 0) return [];
  const graph = customarySumGraph(sites, { goneShareMax: goneShare });
  // With 20 neighbours and three tenths gone a third of the attempts fails; the figures to compare with are of 20.
  const few = graph.neighbours === 40 ? [{ neighbours: 20, threshold: 11 }] : [];
  return [...few, graph].map((one) => ({ sites, length, gone, ...one }));
}

function nameOf({ sites, length, gone, neighbours, threshold }: SumCase): string {
  const near = neighbours === 'all' ? 'all' : `${neighbours} neighbours`;
  return `n=${sites} d=${length} gone=${gone}, masked with ${near}, threshold ${threshold}`;
}

interface Measured {
  readonly ours: readonly Cost[];
  readonly plain: readonly Cost[];
  readonly failures: number;
}

/** `runs` of each, in turn. */
async function measure(which: SumCase, runs: number): Promise<Measured> {
  const sites = createSites(which.sites);
  const vectors = sites.map((_, index) => vectorOf(index, which.length));
  const [ours, plain]: [Cost[], Cost[]] = [[], []];
  let attempt = 0;
  while (ours.length < runs && attempt < attemptsMax) {
    attempt += 1;
    const cost = await runSecureSum(which, sites, vectors, attempt);
    if (cost === null) continue;
    ours.push(cost);
    plain.push(await runPlainSum(vectors, which.gone));
  }
  return { ours, plain, failures: attempt - ours.length };
}

function linesOf(which: SumCase, { ours, plain, failures }: Measured): readonly BenchLine[] {
  const failed = failures === 0 ? '' : `; ${failures} attempts failed before, too few left around somebody`;
  const conditions = `${nameOf(which)}; sites gone after sharing; one after the other in one process, exact sums checked${failed}`;
  const line = (metric: string, unit: string, of: (cost: Cost) => number) =>
    benchLine(
      { bench: 'secagg', metric, unit, peerName: 'plain sum, unmasked', conditions },
      ours.map(of),
      plain.map(of),
    );
  return [
    line('client CPU', 'ms', ({ clientCpuMs }) => clientCpuMs),
    line('server CPU', 'ms', ({ serverCpuMs }) => serverCpuMs),
    line('wall, sites in parallel', 'ms', ({ wallMs }) => wallMs),
    line('upload per site', 'bytes', ({ uploadBytes }) => uploadBytes),
    line('upload and download per site', 'bytes', ({ totalBytes }) => totalBytes),
  ];
}
