import { type BenchLine, benchLine } from '../report.ts';
import { createTlsPair } from './certificate.ts';
import type { TlsPair } from './contender.ts';
import { contenderOf } from './contenders.ts';
import { measureConnect, measureIdle, measureLatency, measureThroughput } from './measure.ts';
import { ServerProcess } from './server-process.ts';

/** Which of ours stands beside which peers. The first peer is the one the aim names. */
const comparisons: readonly { readonly ours: string; readonly peers: readonly string[] }[] = [
  { ours: 'ours-websocket', peers: ['ws', 'socket.io-websocket', 'nats-websocket'] },
  { ours: 'ours-grpc', peers: ['ws', 'grpc-js'] },
  { ours: 'ours-stream', peers: ['ws'] },
  { ours: 'ours-long-poll', peers: ['ws', 'socket.io-polling'] },
];

/** Of `idle`; BENCH_IDLE=1000 asks for fewer. */
const idleCounts: readonly number[] = listed('BENCH_IDLE')?.map(Number) ?? [1_000, 10_000];

/** What the environment asks for; null: everything. Few contenders a run make short runs, and those are what compares on a busy machine. */
function listed(name: string): readonly string[] | null {
  return process.env[name]?.split(',') ?? null;
}

/** BENCH_ONLY=ws,ours-stream: these contenders alone. */
function isAsked(name: string): boolean {
  return listed('BENCH_ONLY')?.includes(name) ?? true;
}

/** BENCH_MODE=plaintext or tls: that alone. */
function askedModes(): readonly (TlsPair | null)[] {
  const modes = listed('BENCH_MODE') ?? ['plaintext', 'tls'];
  return modes.map((mode) => (mode === 'tls' ? createTlsPair() : null));
}

interface Figures {
  readonly [metric: string]: number;
}

const units: Readonly<Record<string, string>> = {
  throughput: 'messages/s',
  'server-cpu': 'µs/message',
  'client-cpu': 'µs/message',
  'latency-p50': 'ms',
  'latency-p99': 'ms',
  connect: 'ms',
};

/** 1 KiB from A through the server to B, every transport, beside its peers; alternating, plaintext then TLS. */
export async function benchLink(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const runs = Number(process.env['BENCH_RUNS'] ?? 3);
  const lines: BenchLine[] = [];
  for (const tls of askedModes()) {
    const figures = new Map<string, Figures[]>();
    const names = [...new Set(comparisons.flatMap(({ ours, peers }) => [ours, ...peers]))].filter(isAsked);
    for (let run = 0; run < runs; run += 1) {
      for (const name of names) {
        const measured = await measureOne(name, tls);
        figures.set(name, [...(figures.get(name) ?? []), measured]);
        say(`${tls === null ? 'plaintext' : 'TLS'} run ${run + 1}/${runs} ${name}: ${describe(measured)}`);
      }
    }
    lines.push(...linesOf(figures, tls === null ? 'plaintext' : 'TLS 1.3'));
  }
  return lines;
}

/** Memory of idle connections: apart, since it needs thousands of them. */
export async function benchIdle(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const lines: BenchLine[] = [];
  for (const tls of askedModes()) {
    for (const count of idleCounts) {
      const sizes = new Map<string, number>();
      for (const name of new Set(comparisons.flatMap(({ ours, peers }) => [ours, peers[0] ?? 'ws']).filter(isAsked))) {
        await using server = await ServerProcess.start(name, tls);
        const size = await measureIdle({ contender: contenderOf(name), server, tls }, count);
        sizes.set(name, size);
        say(`${tls === null ? 'plaintext' : 'TLS'} ${count} idle, ${name}: ${size.toFixed(1)} kB each`);
      }
      for (const { ours, peers } of comparisons) {
        const peer = peers[0] ?? 'ws';
        if (!sizes.has(ours)) continue;
        const what = {
          bench: 'link',
          metric: `${ours} memory per idle connection`,
          unit: 'kB',
          peerName: contenderOf(peer).name,
          conditions: `${tls === null ? 'plaintext' : 'TLS 1.3'}, ${count} connections, resident set of a fresh server after collection`,
        };
        lines.push(benchLine(what, [sizes.get(ours) ?? Number.NaN], [sizes.get(peer) ?? Number.NaN]));
      }
    }
  }
  return lines;
}

async function measureOne(name: string, tls: TlsPair | null): Promise<Figures> {
  await using server = await ServerProcess.start(name, tls);
  const target = { contender: contenderOf(name), server, tls };
  const { perSecond, serverUsPerMessage, clientUsPerMessage } = await measureThroughput(target, 3);
  const { p50Ms, p99Ms } = await measureLatency(target, 2_000);
  return {
    throughput: perSecond,
    'server-cpu': serverUsPerMessage,
    'client-cpu': clientUsPerMessage,
    'latency-p50': p50Ms,
    'latency-p99': p99Ms,
    connect: await measureConnect(target, 40),
  };
}

function linesOf(figures: ReadonlyMap<string, readonly Figures[]>, mode: string): BenchLine[] {
  const lines: BenchLine[] = [];
  for (const { ours, peers } of comparisons) {
    for (const peer of peers) {
      if (!figures.has(ours) || !figures.has(peer)) continue;
      for (const [metric, unit] of Object.entries(units)) {
        const of = (name: string) => (figures.get(name) ?? []).map((one) => one[metric] ?? Number.NaN);
        const conditions = `${mode}, 1 KiB, 8 pairs, 32 under way each (latency: 1), server and load a process each on 2 cores, in memory`;
        const what = { bench: 'link', metric: `${ours} ${metric}`, unit, peerName: contenderOf(peer).name, conditions };
        lines.push(benchLine(what, of(ours), of(peer)));
      }
    }
  }
  return lines;
}

function describe(figures: Figures): string {
  return Object.entries(figures)
    .map(([metric, value]) => `${metric} ${value.toPrecision(3)} ${units[metric] ?? ''}`)
    .join(', ');
}
