import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createTlsPair } from '../link/certificate.ts';
import type { TlsPair } from '../link/contender.ts';
import { type BenchLine, benchLine, percentile } from '../report.ts';
import type { Dialler } from './contender.ts';
import { contenderNames, contenderOf } from './contenders.ts';

/** A node that runs has dialled before: node's compiler is done with the code by then. */
const warmUpDials = 600;
const dials = 500;
const bulkBytes = 64 * 1024 * 1024;

/** Ours beside whom. */
const comparisons: readonly { readonly ours: string; readonly peers: readonly string[] }[] = [
  { ours: 'native-full', peers: ['node-tls', 'node-tls-mutual', 'stock-tls'] },
  { ours: 'native-resumed', peers: ['node-tls', 'node-tls-mutual', 'stock-tls'] },
  { ours: 'stock-tls', peers: ['node-tls'] },
];

const units: Readonly<Record<string, string>> = {
  'dial p50': 'ms',
  'dial p95': 'ms',
  'CPU per dial, both ends': 'ms',
  'one way': 'MB/s',
  'CPU one way, both ends': 's/GB',
};

type Figures = Readonly<Record<string, number>>;

/** What a secure connection costs to open and to send over. BENCH_ONLY=native-full,node-tls runs those alone. */
export async function benchDial(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const runs = Number(process.env['BENCH_RUNS'] ?? 3);
  const asked = process.env['BENCH_ONLY']?.split(',') ?? contenderNames;
  const pair = createTlsPair();
  const figures = new Map<string, Figures[]>();
  for (let run = 0; run < runs; run += 1) {
    for (const name of asked) {
      const measured = await measure(name, pair);
      figures.set(name, [...(figures.get(name) ?? []), measured]);
      const text = Object.entries(measured).map(
        ([metric, value]) => `${metric} ${value.toPrecision(3)} ${units[metric]}`,
      );
      say(`run ${run + 1}/${runs} ${name}: ${text.join(', ')}`);
    }
  }
  return comparisons.flatMap(({ ours, peers }) => peers.flatMap((peer) => linesOf(figures, ours, peer)));
}

function linesOf(figures: ReadonlyMap<string, readonly Figures[]>, ours: string, peer: string): BenchLine[] {
  if (!figures.has(ours) || !figures.has(peer)) return [];
  const of = (name: string, metric: string) => (figures.get(name) ?? []).map((one) => one[metric] ?? Number.NaN);
  const conditions = `loopback, a process each, ${dials} dials one after the other after ${warmUpDials}, 64 MiB in 64 KiB writes`;
  return Object.entries(units).map(([metric, unit]) => {
    const what = { bench: 'dial', metric: `${contenderOf(ours).name}: ${metric}`, unit, conditions };
    return benchLine({ ...what, peerName: contenderOf(peer).name }, of(ours, metric), of(peer, metric));
  });
}

async function measure(name: string, pair: TlsPair): Promise<Figures> {
  const main = fileURLToPath(new URL('./listener-main.ts', import.meta.url));
  const child = fork(main, [name], { execArgv: process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [] });
  child.send(pair);
  const address = (await once(child, 'message'))[0] as string;
  const dialler = await contenderOf(name).createDialler(address, pair);
  try {
    return { ...(await measureDials(dialler, child)), ...(await measureBulk(dialler, child)) };
  } finally {
    await dialler.stop();
    child.disconnect();
    await once(child, 'exit');
  }
}

async function measureDials(dialler: Dialler, child: ChildProcess): Promise<Figures> {
  const timesMs: number[] = [];
  let beforeUs = 0;
  for (let dial = -warmUpDials; dial < dials; dial += 1) {
    if (dial === 0) beforeUs = await cpuUs(child);
    const startedMs = performance.now();
    const close = await dialler.dial();
    if (dial >= 0) timesMs.push(performance.now() - startedMs);
    await close();
  }
  const perDialMs = ((await cpuUs(child)) - beforeUs) / 1_000 / dials;
  const [p50, p95] = [percentile(timesMs, 0.5), percentile(timesMs, 0.95)];
  return { 'dial p50': p50, 'dial p95': p95, 'CPU per dial, both ends': perDialMs };
}

async function measureBulk(dialler: Dialler, child: ChildProcess): Promise<Figures> {
  await dialler.send(bulkBytes / 4);
  const [beforeUs, startedMs] = [await cpuUs(child), performance.now()];
  await dialler.send(bulkBytes);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpuSeconds = ((await cpuUs(child)) - beforeUs) / 1e6;
  return { 'one way': bulkBytes / 1e6 / seconds, 'CPU one way, both ends': cpuSeconds / (bulkBytes / 1e9) };
}

/** Microseconds of CPU used by both processes so far. */
async function cpuUs(child: ChildProcess): Promise<number> {
  const { user, system } = process.cpuUsage();
  child.send('usage');
  return user + system + ((await once(child, 'message'))[0] as number);
}
