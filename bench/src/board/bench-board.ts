import { createSeededRandom, createSystemClock } from '@pulsemesh/base';
import { verifyReceipt } from '@pulsemesh/board/verify';
import { type BenchLine, benchLine } from '../report.ts';
import { type AppendContender, type OurLog, ourLog, sqliteTable } from './contenders.ts';
import { verifiedPerSecondInPage } from './in-page.ts';
import { leafBytes, leafOf } from './leaves.ts';
import { receiptsOf } from './receipts.ts';

const rounds = Number(process.env['BENCH_RUNS'] ?? 5);
const forMs = 1_500;
const callerCounts = [1, 64];
/** Leaves that the log has when proofs are made. */
const proofLeaves = 100_000;
const clock = createSystemClock();
let nextLeaf = 0;

/** The board's log: durable appends beside an audit table in SQLite; proofs; receipts verified here and in a browser; memory. */
export async function benchBoard(say: (text: string) => void): Promise<readonly BenchLine[]> {
  await using stack = new AsyncDisposableStack();
  const beforeBytes = memoryBytes();
  const log = stack.use(await ourLog('LMDB'));
  const lines = [await memoryOf(log, beforeBytes, say)];
  const ours = [log, stack.use(await ourLog('journal'))];
  const sqlite = stack.use(sqliteTable());
  for (const callers of callerCounts) lines.push(...(await compareAppends(ours, sqlite, callers, say)));
  return [...lines, readsAndProofs(log, sqlite, say), ...(await receipts(log, say))];
}

async function compareAppends(
  ours: readonly OurLog[],
  sqlite: AppendContender,
  callers: number,
  say: (text: string) => void,
): Promise<BenchLine[]> {
  const rates = new Map<AppendContender, number[]>([...ours, sqlite].map((contender) => [contender, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [contender, own] of rates) {
      const rate = await appendsPerSecond(contender, callers);
      say(`${callers} callers, round ${round}, ${contender.name}: ${rate.toFixed(0)} appends/s`);
      if (round > 0) own.push(rate); // the first warms up
    }
  }
  const conditions =
    `${callers} callers, each waits until its ${leafBytes} B are on the disk; ours besides hashed into the tree and under a signed, durable ` +
    'checkpoint; SQLite takes as many in one transaction as there are callers; one machine';
  return ours.map((one) =>
    benchLine(
      { bench: 'board', metric: `durable appends, ${one.name}`, unit: 'leaves/s', peerName: sqlite.name, conditions },
      rates.get(one) ?? [],
      rates.get(sqlite) ?? [],
    ),
  );
}

async function appendsPerSecond(contender: AppendContender, callers: number): Promise<number> {
  const startMs = clock.monotonicMs();
  let count = 0;
  while (clock.monotonicMs() - startMs < forMs) {
    await contender.append(newLeaves(callers));
    count += callers;
  }
  return (count * 1000) / (clock.monotonicMs() - startMs);
}

function newLeaves(count: number): Uint8Array[] {
  nextLeaf += count;
  return Array.from({ length: count }, (_, place) => leafOf(nextLeaf - 1 - place));
}

/** Fills the log up, asks it for proofs all over, and tells what all of it takes in memory. */
async function memoryOf(ours: OurLog, beforeBytes: number, say: (text: string) => void): Promise<BenchLine> {
  for (let count = 0; count < proofLeaves; count += 1_000) await ours.append(newLeaves(1_000));
  const { size } = ours.log.checkpoint;
  for (let index = 0; index < size; index += 100) ours.log.proveInclusion(index, size);
  const mebibytes = Math.max(0, memoryBytes() - beforeBytes) / 2 ** 20;
  say(`a log of ${size} leaves takes ${mebibytes.toFixed(1)} MiB`);
  const conditions = `${size} leaves, tiles all over it kept for proofs; heap and buffers, collected where node runs with --expose-gc; the store maps its file`;
  const what = { bench: 'board', metric: 'memory of an open log', unit: 'MiB', peerName: 'none', conditions };
  return benchLine(what, [mebibytes], []);
}

function memoryBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function readsAndProofs(
  ours: OurLog,
  sqlite: { readonly name: string; read(id: number): Uint8Array },
  say: (text: string) => void,
): BenchLine {
  const { log } = ours;
  const { size } = log.checkpoint;
  const random = createSeededRandom(3);
  const [proofs, reads]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    const proved = perSecond(() => log.proveInclusion(random.integer(size), size));
    const read = perSecond(() => sqlite.read(1 + random.integer(1_000)));
    say(`round ${round}: ${proved.toFixed(0)} proofs/s, ${read.toFixed(0)} reads/s`);
    if (round > 0) {
      proofs.push(proved);
      reads.push(read);
    }
  }
  const conditions = `inclusion proofs of random leaves of ${size}; the table proves nothing, its entry is read by its key`;
  const what = {
    bench: 'board',
    metric: 'inclusion proofs',
    unit: 'proofs/s',
    peerName: `${sqlite.name}: reads`,
    conditions,
  };
  return benchLine(what, proofs, reads);
}

async function receipts(ours: OurLog, say: (text: string) => void): Promise<BenchLine[]> {
  const given = receiptsOf(ours.log, 256);
  const here: number[] = [];
  let next = 0;
  for (let round = 0; round <= rounds; round += 1) {
    const rate = perSecond(() => {
      next += 1;
      const { receipt, leaf } = given.receipts[next % given.receipts.length] as (typeof given.receipts)[number];
      verifyReceipt(receipt, leaf, given.policy);
    });
    if (round > 0) here.push(rate);
  }
  say(`${here[0]?.toFixed(0)} receipts/s verified by node`);
  const conditions = `a leaf of ${ours.log.checkpoint.size}, three Ed25519 signatures (the board's and two witnesses'), one thread`;
  const line = (metric: string, rates: readonly number[]) =>
    benchLine(
      { bench: 'board', metric, unit: 'receipts/s', peerName: 'none: a table proves nothing', conditions },
      rates,
      [],
    );
  const inPage = await verifiedPerSecondInPage(given, { rounds, forMs });
  if (inPage === null) say('skipped: no Chromium on this machine');
  else say(`${inPage[0]?.toFixed(0)} receipts/s verified by Chromium`);
  return [
    line('receipts verified, node', here),
    ...(inPage === null ? [] : [line('receipts verified, Chromium', inPage)]),
  ];
}

function perSecond(work: () => void): number {
  const startMs = clock.monotonicMs();
  let count = 0;
  for (; clock.monotonicMs() - startMs < forMs; count += 1) work();
  return (count * 1000) / (clock.monotonicMs() - startMs);
}
