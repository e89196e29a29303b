import { type BenchLine, benchLine } from '../report.ts';
import { attackCases } from './attacks.ts';
import { cellsOf, playCells } from './cells.ts';
import { manyTopicsCases } from './many-topics.ts';
import { oneTopicCases } from './one-topic.ts';
import { type Case, type Outcome, type Protocol, units } from './setting.ts';
import { simulatedAttackLines, simulatedManyTopicsLines } from './simulated.ts';

interface Part {
  readonly cases: (isFull: boolean) => readonly Case[];
  readonly simulated?: (isFull: boolean, say: (text: string) => void) => Promise<readonly BenchLine[]>;
}

const parts: Readonly<Record<string, Part>> = {
  'one-topic': { cases: oneTopicCases },
  'many-topics': { cases: manyTopicsCases, simulated: simulatedManyTopicsLines },
  attacks: { cases: attackCases, simulated: simulatedAttackLines },
};

/**
 * Ours beside gossipsub over the same stack, keys, graph and messages, each in a process of its own, in turn. The word behind
 * the name says which part; PULSEMESH_TABLES=full plays the large networks, too; BENCH_RUNS (default 1) repeats; BENCH_ONLY
 * takes the cases whose names hold it, BENCH_PROTOCOLS (names with commas between) some of the protocols. BENCH_RESULTS names
 * a folder where each network's outcome is kept as it comes, and from where a bench that was ended goes on; BENCH_AT_ONCE
 * (default 1) plays so many networks at a time, which leaves counts as they are and makes times worthless.
 */
export async function benchPubsub(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const { env } = process;
  const isFull = env['PULSEMESH_TABLES'] === 'full';
  const asked = process.argv[3];
  if (asked !== undefined && parts[asked] === undefined) throw new RangeError(`no part "${asked}"`);
  const only = env['BENCH_ONLY'] ?? '';
  const chosen = Object.entries(parts).flatMap(([name, part]) => (asked === undefined || asked === name ? [part] : []));
  const cells = chosen
    .flatMap((part) => part.cases(isFull))
    .filter(({ name }) => name.includes(only))
    .flatMap((one) => cellsOf(one, Number(env['BENCH_RUNS'] ?? 1), env['BENCH_PROTOCOLS']?.split(',') ?? null));
  const options = { atOnce: Number(env['BENCH_AT_ONCE'] ?? 1), directory: env['BENCH_RESULTS'] ?? null, say };
  const played = await playCells(cells, options);
  const lines = [...played].flatMap(([one, outcomes]) => linesOf(one, outcomes));
  if (!'simulated'.includes(only)) return lines;
  for (const part of chosen) lines.push(...((await part.simulated?.(isFull, say)) ?? []));
  return lines;
}

/** Each of ours beside each of gossipsub's, metric by metric. */
function linesOf(one: Case, outcomes: ReadonlyMap<Protocol, readonly Outcome[]>): BenchLine[] {
  const lines: BenchLine[] = [];
  const peers = one.protocols.filter((protocol) => protocol.startsWith('gossipsub'));
  for (const protocol of one.protocols.filter((each) => !each.startsWith('gossipsub'))) {
    for (const peer of peers) lines.push(...compare(one, outcomes, protocol, peer));
  }
  return lines;
}

function compare(
  { name, conditions }: Case,
  outcomes: ReadonlyMap<Protocol, readonly Outcome[]>,
  protocol: Protocol,
  peer: Protocol,
): BenchLine[] {
  const [ours, theirs] = [outcomes.get(protocol) ?? [], outcomes.get(peer) ?? []];
  if (theirs.length === 0) return []; // not asked for, or failed
  return Object.entries(ours[0] ?? {}).flatMap(([phase, figures]) =>
    Object.keys(figures).map((metric) => {
      const valuesOf = (all: readonly Outcome[]) => all.map((each) => each[phase]?.[metric] ?? Number.NaN);
      const what = { bench: 'pubsub', metric: `${name}, ${phase}: ${metric}`, unit: units[metric] ?? '' };
      const side = protocol === 'upsycle' ? '' : `; ours as ${protocol}`;
      const peerName = `@libp2p/gossipsub 17.1.1${peer === 'gossipsub-best' ? ' at its best' : ''}`;
      return benchLine({ ...what, peerName, conditions: `${conditions}${side}` }, valuesOf(ours), valuesOf(theirs));
    }),
  );
}
