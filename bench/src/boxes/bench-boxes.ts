import { setTimeout as pause } from 'node:timers/promises';
import type { BoxKind } from '@pulsemesh/link/testing';
import { type BenchLine, benchLine, median } from '../report.ts';
import { type BoxWorld, startBoxWorld } from './box-world.ts';
import { barePost, type EchoContender, ourLink, socketIoClient } from './echo-clients.ts';

/** The boxes, by what they do. */
const boxes: Readonly<Partial<Record<BoxKind, string>>> = {
  pass: 'nothing in between',
  'strips-upgrade': 'inspects, strips Upgrade',
  'refuses-upgrade': 'inspects, answers Upgrade with 403',
  'swallows-upgrade': 'inspects, accepts Upgrade and swallows what follows',
  'buffers-responses': 'inspects, strips Upgrade, gives on whole responses only',
  'limits-bodies': 'inspects, strips Upgrade, takes bodies up to 100 kB',
  'cuts-after-150-ms': 'inspects, cuts every request after 150 ms',
  'only-http-1': 'inspects, HTTP/1.1 only',
  'only-tls-1.2': 'inspects, TLS 1.2 and HTTP/1.1 only',
  'inspects-tls': 'inspects, HTTP/2 too',
  'wants-connect': 'CONNECT proxy',
  'wants-basic-password': 'CONNECT proxy with a password',
};

const socketIo: readonly EchoContender[] = [
  socketIoClient('default', ['polling', 'websocket'], false),
  socketIoClient('websocket first', ['websocket', 'polling'], false),
  socketIoClient('websocket first, tryAllTransports', ['websocket', 'polling'], true),
];
const contenders: readonly EchoContender[] = [ourLink, barePost, ...socketIo];

/** Past this a first echo counts as never. */
const neverMs = 5_000;
/** What moves up from the transport that won does so within this; then round trips are taken. */
const settleMs = 700;
const echoes = 100;

interface Measured {
  readonly firstEchoMs: number;
  readonly rttMs: number;
  /** What carried the first echo, and what was in use at the end. */
  readonly transports: string;
}

/** Per box: time to the first echo, the transport that won, and the round trip, beside Socket.IO and a bare POST through the same box. */
export async function benchBoxes(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const runs = Number(process.env['BENCH_RUNS'] ?? 5);
  const lines: BenchLine[] = [];
  for (const [kind, about] of Object.entries(boxes) as [BoxKind, string][]) {
    const measured = new Map<string, Measured[]>(contenders.map(({ name }) => [name, []]));
    // The first round warms up; who never connects in it is not asked again.
    const asked = new Set(contenders);
    for (let run = 0; run <= runs; run += 1) {
      await using world = await startBoxWorld(kind);
      for (const contender of asked) {
        const one = await measure(contender, world);
        if (one === null) asked.delete(contender);
        else if (run > 0) measured.get(contender.name)?.push(one);
      }
    }
    for (const { name } of contenders) say(`${kind}, ${name}: ${describe(measured.get(name) ?? [])}`);
    lines.push(...linesOf(kind, about, measured));
  }
  return lines;
}

async function measure(contender: EchoContender, world: BoxWorld): Promise<Measured | null> {
  const signal = AbortSignal.timeout(neverMs);
  const startedAt = performance.now();
  try {
    const client = await contender.connect(world, signal);
    try {
      await within(client.echo(), signal);
      const firstEchoMs = performance.now() - startedAt;
      const first = client.transport();
      await pause(settleMs);
      const rtts: number[] = [];
      for (let count = 0; count < echoes; count += 1) {
        const sentAt = performance.now();
        await within(client.echo(), AbortSignal.timeout(neverMs));
        rtts.push(performance.now() - sentAt);
      }
      const last = client.transport();
      return { firstEchoMs, rttMs: median(rtts), transports: first === last ? first : `${first}, then ${last}` };
    } finally {
      await client.close();
    }
  } catch {
    return null; // what never comes through is a result here
  }
}

function within(echo: Promise<void>, signal: AbortSignal): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([echo, late]);
}

function linesOf(kind: BoxKind, about: string, measured: ReadonlyMap<string, readonly Measured[]>): BenchLine[] {
  const of = (name: string, pick: (one: Measured) => number) => (measured.get(name) ?? []).map(pick);
  const line = (metric: string, peer: EchoContender, pick: (one: Measured) => number) => {
    const conditions = `${about}; ours: ${wonBy(measured.get(ourLink.name))}; peer: ${wonBy(measured.get(peer.name))}; 64 bytes, TLS, client, box and servers in one process`;
    const what = { bench: 'boxes', metric: `${kind}, ${metric}`, unit: 'ms', peerName: peer.name, conditions };
    return benchLine(what, of(ourLink.name, pick), of(peer.name, pick));
  };
  return [
    line('round trip', barePost, (one) => one.rttMs),
    ...socketIo.flatMap((peer) => [
      line('first echo', peer, (one) => one.firstEchoMs),
      line('round trip', peer, (one) => one.rttMs),
    ]),
  ];
}

/** The transports most runs used. */
function wonBy(measured: readonly Measured[] = []): string {
  if (measured.length === 0) return `never within ${neverMs / 1000} s`;
  const counts = new Map<string, number>();
  for (const { transports } of measured) counts.set(transports, (counts.get(transports) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0] ?? '';
}

function describe(measured: readonly Measured[]): string {
  if (measured.length === 0) return wonBy(measured);
  const [first, rtt] = [median(measured.map((one) => one.firstEchoMs)), median(measured.map((one) => one.rttMs))];
  return `first echo ${first.toFixed(1)} ms, round trip ${rtt.toFixed(2)} ms, ${wonBy(measured)}`;
}
