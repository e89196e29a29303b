import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type BenchLine, benchLine } from '../report.ts';
import { attackCases } from './attacks.ts';
import { manyTopicsCases } from './many-topics.ts';
import { oneTopicCases } from './one-topic.ts';
import { type Case, type Outcome, type Protocol, type Setting, units } from './setting.ts';
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
 * takes the cases whose names hold it.
 */
export async function benchPubsub(say: (text: string) => void): Promise<readonly BenchLine[]> {
  const isFull = process.env['PULSEMESH_TABLES'] === 'full';
  const runs = Number(process.env['BENCH_RUNS'] ?? 1);
  const asked = process.argv[3];
  if (asked !== undefined && parts[asked] === undefined) throw new RangeError(`no part "${asked}"`);
  const lines: BenchLine[] = [];
  for (const [name, part] of Object.entries(parts)) {
    if (asked !== undefined && asked !== name) continue;
    const only = process.env['BENCH_ONLY'] ?? '';
    for (const one of part.cases(isFull).filter((each) => each.name.includes(only))) {
      lines.push(...(await playCase(one, runs, say)));
    }
    if ('simulated'.includes(only)) lines.push(...((await part.simulated?.(isFull, say)) ?? []));
  }
  return lines;
}

async function playCase(one: Case, runs: number, say: (text: string) => void): Promise<BenchLine[]> {
  const outcomes = new Map<Protocol, Outcome[]>(one.protocols.map((protocol) => [protocol, []]));
  for (let run = 0; run < runs; run += 1) {
    for (const protocol of one.protocols) {
      const outcome = await playSetting({ ...one.setting, protocol, seed: one.setting.seed + run });
      outcomes.get(protocol)?.push(outcome);
      say(`run ${run + 1}/${runs} ${one.name} ${protocol}: ${JSON.stringify(rounded(outcome))}`);
    }
  }
  return linesOf(one, outcomes);
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

/** Plays one setting in a process of its own. */
async function playSetting(setting: Setting): Promise<Outcome> {
  const main = fileURLToPath(new URL('./network-main.ts', import.meta.url));
  const more = process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [];
  const child = fork(main, [], { execArgv: ['--expose-gc', ...more] });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Outcome)); // from our own code
    child.once('exit', (code) => reject(new Error(`the network ended with ${code}`)));
  });
  child.send(setting);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const played = await outcome;
  await ended;
  return played;
}

function rounded(outcome: Outcome): unknown {
  return JSON.parse(
    JSON.stringify(outcome, (_key, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value)),
  );
}
