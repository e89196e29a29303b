import { findPostgres } from '@pulsemesh/relay/testing';
import { type BenchLine, benchLine } from '../report.ts';
import { type MailboxContender, mailboxCount, measureRound, type Round } from './contender.ts';
import { ourMailboxes } from './ours.ts';
import { postgresDirect, startBenchPostgres } from './postgres-direct.ts';
import { redisStreams } from './redis.ts';

const rounds = Number(process.env['BENCH_RUNS'] ?? 3);
const forMs = 3_000;
const bodyBytes = 1024;
const producerCounts = [64, 512];

/** Durable mailboxes: 1 KiB, each producer waits until its message is on the disk before it sends the next. */
export async function benchMailbox(say: (text: string) => void): Promise<readonly BenchLine[]> {
  await using stack = new AsyncDisposableStack();
  const ours: MailboxContender[] = [];
  if (isAsked('lmdb')) ours.push(stack.use(await ourMailboxes('our mailboxes, LMDB', undefined)));
  const peers: MailboxContender[] = [];
  const redis = await redisStreams();
  if (redis === null) say('skipped: Redis is not installed (apt-get install redis-server)');
  else peers.push(stack.use(redis));
  if (!isAsked('postgres')) return await compareAll(ours, peers, say);
  if (findPostgres() === null) say('skipped: PostgreSQL is not installed (apt-get install postgresql)');
  else {
    const server = stack.use(await startBenchPostgres());
    ours.push(stack.use(await ourMailboxes('our mailboxes, PostgreSQL', server.url)));
    peers.push(stack.use(await postgresDirect(server.url)));
  }
  return await compareAll(ours, peers, say);
}

/** BENCH_ONLY=lmdb or postgres: that engine alone. */
function isAsked(engine: string): boolean {
  return process.env['BENCH_ONLY']?.split(',').includes(engine) ?? true;
}

async function compareAll(
  ours: readonly MailboxContender[],
  peers: readonly MailboxContender[],
  say: (text: string) => void,
): Promise<readonly BenchLine[]> {
  const lines: BenchLine[] = [];
  for (const producers of producerCounts) {
    const measured = await measureInTurn([...ours, ...peers], producers, say);
    for (const one of ours) for (const peer of peers) lines.push(...compare(one, peer, producers, measured));
  }
  return lines;
}

async function measureInTurn(
  contenders: readonly MailboxContender[],
  producers: number,
  say: (text: string) => void,
): Promise<ReadonlyMap<MailboxContender, readonly Round[]>> {
  const measured = new Map<MailboxContender, Round[]>(contenders.map((contender) => [contender, []]));
  // One round to warm up: files, caches, compiled code.
  for (const contender of contenders) await measureRound(contender, { producers, forMs: forMs / 4, bodyBytes });
  for (let round = 1; round <= rounds; round += 1) {
    for (const [contender, own] of measured) {
      const result = await measureRound(contender, { producers, forMs, bodyBytes });
      own.push(result);
      say(
        `${producers} producers, round ${round}, ${contender.name}: ${result.appendsPerSecond.toFixed(0)} appends/s, ` +
          `ack ${result.ackP50Ms.toFixed(1)}/${result.ackP99Ms.toFixed(1)} ms, ${result.fetchesPerSecond.toFixed(0)} fetches/s`,
      );
    }
  }
  return measured;
}

const metrics = [
  { metric: 'append', unit: 'messages/s', pick: (round: Round) => round.appendsPerSecond },
  { metric: 'ack p50', unit: 'ms', pick: (round: Round) => round.ackP50Ms },
  { metric: 'ack p99', unit: 'ms', pick: (round: Round) => round.ackP99Ms },
  { metric: 'fetch and remove', unit: 'messages/s', pick: (round: Round) => round.fetchesPerSecond },
];

function compare(
  ours: MailboxContender,
  peer: MailboxContender,
  producers: number,
  measured: ReadonlyMap<MailboxContender, readonly Round[]>,
): BenchLine[] {
  const conditions = `${producers} producers, ${mailboxCount} mailboxes, 1 KiB, each acknowledged once flushed; one machine`;
  return metrics.map(({ metric, unit, pick }) =>
    benchLine(
      { bench: 'mailbox', metric: `${ours.name}: ${metric}`, unit, peerName: peer.name, conditions },
      (measured.get(ours) ?? []).map(pick),
      (measured.get(peer) ?? []).map(pick),
    ),
  );
}
