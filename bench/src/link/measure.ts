import { percentile } from '../report.ts';
import type { Contender, LoadClient, TlsPair } from './contender.ts';
import type { ServerProcess } from './server-process.ts';

export interface Throughput {
  readonly perSecond: number;
  readonly serverUsPerMessage: number;
  readonly clientUsPerMessage: number;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const pairs = 8;
const inFlight = 32;
const payloadBytes = 1024;
/** Code is compiled by use, not by time: where the machine is busy, a second is too short for the larger programs among the contenders. */
const warmUpMessages = 50_000;
const warmUpMsMax = 8_000;

interface Target {
  readonly contender: Contender;
  readonly server: ServerProcess;
  readonly tls: TlsPair | null;
}

/** 1 KiB from 8 senders to 8 receivers through the server, 32 under way on each pair, for `seconds` after a warm-up. */
export async function measureThroughput(target: Target, seconds: number): Promise<Throughput> {
  const payload = new Uint8Array(payloadBytes).fill(7);
  const clients: LoadClient[] = [];
  let received = 0;
  let isOn = true;
  for (let pair = 0; pair < pairs; pair += 1) {
    const [from, to] = [2 * pair + 1, 2 * pair + 2];
    const sender = await connect(target, from, () => undefined);
    const next = () => {
      received += 1;
      if (isOn) sender.send(to, payload);
    };
    clients.push(sender, await connect(target, to, next));
  }
  for (let pair = 0; pair < pairs; pair += 1)
    for (let count = 0; count < inFlight; count += 1) clients[2 * pair]?.send(2 * pair + 2, payload);
  const warmUntil = performance.now() + warmUpMsMax;
  do await pause(100);
  while (received < warmUpMessages && performance.now() < warmUntil);
  await pause(500);
  const [before, own, startedAt, receivedBefore] = [
    await target.server.usage(),
    process.cpuUsage(),
    performance.now(),
    received,
  ];
  await pause(seconds * 1000);
  const count = received - receivedBefore;
  const elapsed = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(own);
  const after = await target.server.usage();
  isOn = false;
  await pause(100);
  for (const client of clients) client.close();
  await pause(100);
  return {
    perSecond: count / elapsed,
    serverUsPerMessage: (after.cpuUs - before.cpuUs) / count,
    clientUsPerMessage: (user + system) / count,
  };
}

/** One message under way at a time, sender to receiver, milliseconds one way (both clocks are this process's). */
export async function measureLatency(target: Target, count: number): Promise<Latency> {
  const payload = new Uint8Array(payloadBytes).fill(7);
  const times: number[] = [];
  let arrived: () => void = () => undefined;
  const sender = await connect(target, 1, () => undefined);
  const receiver = await connect(target, 2, () => arrived());
  for (let index = 0; index < count; index += 1) {
    const startedAt = performance.now();
    const done = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    sender.send(2, payload);
    await done;
    times.push(performance.now() - startedAt);
  }
  sender.close();
  receiver.close();
  const warm = times.slice(count / 10);
  return { p50Ms: percentile(warm, 0.5), p99Ms: percentile(warm, 0.99) };
}

/** Milliseconds until a new connection can send, median of `count`. */
export async function measureConnect(target: Target, count: number): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedAt = performance.now();
    const client = await connect(target, 1000 + index, () => undefined);
    times.push(performance.now() - startedAt);
    client.close();
  }
  return percentile(times, 0.5);
}

/** kB of server memory for each of `count` idle connections. */
export async function measureIdle(target: Target, count: number): Promise<number> {
  const before = await target.server.usage(true);
  const clients: LoadClient[] = [];
  const batch = 50;
  for (let from = 0; from < count; from += batch) {
    const ids = Array.from({ length: Math.min(batch, count - from) }, (_, index) => 1 + from + index);
    clients.push(...(await Promise.all(ids.map((id) => connect(target, id, () => undefined)))));
  }
  await pause(1500);
  const after = await target.server.usage(true);
  for (const client of clients) client.close();
  return (after.rssBytes - before.rssBytes) / 1024 / count;
}

function connect({ contender, server, tls }: Target, id: number, onMessage: () => void): Promise<LoadClient> {
  return contender.connect({ port: server.port, tls, id, onMessage });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
