import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { createBox, createSigner, generateSeed } from '@pulsemesh/crypto';
import { openAccessLog } from '@pulsemesh/ledger';
import { openLmdbTables } from '@pulsemesh/store';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { sqliteTable } from '../board/contenders.ts';
import { type BenchLine, benchLine } from '../report.ts';

const runs = Number(process.env['BENCH_RUNS'] ?? 3);
const forMs = 1_500;
const callers = 64;
const clock = createSystemClock();

/** Accesses written down a second: ours with proof and signature, beside a row in an audit table. */
export async function compareAccesses(say: (text: string) => void): Promise<readonly BenchLine[]> {
  await using stack = new AsyncDisposableStack();
  const ours = await accessLog(stack);
  const table = stack.use(sqliteTable());
  const theirs = () => table.append(Array.from({ length: callers }, () => new Uint8Array(256)));
  const [own, other]: [number[], number[]] = [[], []];
  for (let run = 0; run <= runs; run += 1) {
    const [one, two] = [await perSecond(ours), await perSecond(theirs)];
    say(`run ${run}: our access log ${one.toFixed(0)}, audit table ${two.toFixed(0)} accesses/s`);
    if (run === 0) continue; // warms up
    own.push(one);
    other.push(two);
  }
  const conditions =
    `${callers} readers at once, each waits until its access is on the disk; ours sealed, salted, hashed into the tree, under a signed head, and ` +
    'answered with a signed receipt and its proof; the table takes all in one transaction of its database';
  return [
    benchLine(
      { bench: 'ledger', metric: 'logged accesses', unit: '1/s', peerName: table.name, conditions },
      own,
      other,
    ),
  ];
}

async function accessLog(stack: AsyncDisposableStack): Promise<() => Promise<unknown>> {
  const random = createSystemRandom();
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-bench-access-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const store = stack.use(await openLmdbTables({ directory }));
  const box = createBox(generateSeed(random), { random });
  const author = createSigner(generateSeed(random));
  const log = stack.use(
    await openAccessLog(
      { store, box, author, origin: 'custodian.bench/1' },
      { random, logger: silentLogger, meter: silentMeter },
    ),
  );
  const reader = peerIdOfEd25519(author.publicKey);
  const access = {
    kind: 'read' as const,
    ...{ grantId: `0x${'11'.repeat(32)}` as const, reader, atMs: 1_800_000_000_000, purpose: 'research/rhythm' },
    ...{ fromSeconds: 1_799_990_000, untilSeconds: 1_799_993_600, records: 3_600, bytes: 400_000, reason: null },
    request: new Uint8Array(200),
  };
  return () => Promise.all(Array.from({ length: callers }, () => log.append(access)));
}

async function perSecond(append: () => Promise<unknown>): Promise<number> {
  const startMs = clock.monotonicMs();
  let count = 0;
  while (clock.monotonicMs() - startMs < forMs) {
    await append();
    count += callers;
  }
  return (1_000 * count) / (clock.monotonicMs() - startMs);
}
