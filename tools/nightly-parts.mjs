// What the nightly runs, and how. Each part is one process with a log of its own.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const tables = [
  'packages/overlay/src/sampling/peer-sampling.table.test.ts',
  'packages/overlay/src/rings/dissemination.table.test.ts',
  'packages/overlay/src/joining/join-table.test.ts',
  'packages/overlay/src/interest',
];
const threats = ['tests/threats/overlay.test.ts'];
const firewalls = ['packages/link/src/firewall-matrix.test.ts', 'packages/link/src/firewall-real-boxes.test.ts'];
const soak = ['packages/link/src/client/connect-link.test.ts', 'packages/link/src/session/session.simulation.test.ts'];
const kills = ['packages/relay/src/kill/kill.test.ts'];
const relaySeeds = [
  'packages/relay/src/simulation.test.ts',
  'packages/relay/src/client/pairs/pairs.simulation.test.ts',
];
const powerCuts = ['tests/threats/relay-power-cut.test.ts', 'packages/relay/src/engines/power-cut.test.ts'];

/** Resident memory of ten thousand simulated nodes that read one topic; 4.8 GiB when last measured. */
const memoryMiBMax = 7_168;

/** By name. `tests`: files, run with every table at full size; `run`: an entry of our own and its arguments. */
export const nightlyParts = {
  tables: { about: 'the tables of the specifications at full size', tests: tables },
  threats: { about: 'attacks on the overlay at the sizes of the threat model', tests: threats },
  faults: {
    about: '1,000 simulated networks in which random things go wrong',
    run: ['simulation/src/main.ts', 'faults', '--runs', '1000', '--json', '--quiet'],
  },
  readings: {
    about: 'the way of a reading under 500 seeds of faults',
    run: ['simulation/src/main.ts', 'pipeline', '--runs', '500', '--json', '--quiet'],
  },
  firewalls: { about: 'every kind of firewall, 100,000 messages each way', tests: firewalls },
  soak: {
    about: 'one session, a million messages each way while it moves',
    tests: soak,
    env: { PULSEMESH_SOAK_MESSAGES: '1000000', MESSAGES: '500000' },
  },
  kills: { about: 'relay and agents killed 60 times under load', tests: kills, env: { RELAY_KILLS: '60' } },
  'relay-seeds': { about: 'relay and pair sessions under 300 seeds', tests: relaySeeds, env: { RELAY_SEEDS: '300' } },
  'power-cuts': { about: 'a relay whose power is cut 30 times', tests: powerCuts, env: { POWER_CUTS: '30' } },
  memory: {
    about: `10,000 simulated nodes in at most ${memoryMiBMax} MiB`,
    run: ['--max-old-space-size=16000', 'simulation/src/main.ts', 'rings', '--nodes', '10000', '--json', '--quiet'],
    fault: memoryFault,
  },
  rest: {
    about: 'all other unit, property, contract and process tests, tables at full size',
    tests: [],
    without: [...tables, ...threats, ...firewalls, ...soak, ...kills, ...relaySeeds, ...powerCuts],
  },
  demo: {
    about: 'the demo of many processes, killed, restarted, firewalled',
    tests: ['tests/e2e'],
    project: 'e2e',
  },
};

/** The names of parts to run, all where none is named, and the folder for logs. @throws {RangeError} at a name that is none. */
export function parseNightly(args, now = new Date()) {
  let logs = join('nightly-logs', now.toISOString().replace(/[:.]/g, '-'));
  const names = [];
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === '--logs') {
      at += 1;
      if (args[at] === undefined) throw new RangeError('--logs wants a folder');
      logs = args[at];
    } else names.push(args[at]);
  }
  const unknown = names.find((name) => !Object.hasOwn(nightlyParts, name));
  if (unknown !== undefined)
    throw new RangeError(`no part "${unknown}"; there are: ${Object.keys(nightlyParts).join(', ')}`);
  return { names: names.length === 0 ? Object.keys(nightlyParts) : [...new Set(names)], logs };
}

/** The command line of a part, without the program. */
export function argsOf({ run, tests, without = [], project = 'node' }, root) {
  if (run !== undefined) return run;
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const exclude = without.flatMap((path) => ['--exclude', path.endsWith('.ts') ? path : `${path}/**`]);
  return [
    vitest,
    'run',
    '--project',
    project,
    '--testTimeout',
    '3600000',
    '--hookTimeout',
    '600000',
    ...exclude,
    ...tests,
  ];
}

/**
 * Runs parts one after another and says one line of each.
 * @returns {Promise<number>} how many failed.
 */
export async function runNightly({ root, node }, { names, logs }, say = (line) => process.stdout.write(`${line}\n`)) {
  mkdirSync(logs, { recursive: true });
  let failed = 0;
  for (const name of names) {
    const log = join(logs, `${name}.log`);
    const started = performance.now();
    const fault = await runPart(nightlyParts[name], { root, node, log });
    if (fault !== null) failed += 1;
    const seconds = Math.round((performance.now() - started) / 1_000);
    say(`${name.padEnd(12)} ${fault === null ? 'passed' : `FAILED: ${fault}`} (${seconds} s) ${log}`);
  }
  say(`${names.length - failed} passed, ${failed} failed`);
  return failed;
}

/** What is wrong, or null. */
async function runPart(part, { root, node, log }) {
  const out = createWriteStream(log);
  const child = spawn(node, argsOf(part, root), {
    cwd: root,
    env: { ...process.env, PULSEMESH_TABLES: 'full', NO_COLOR: '1', ...part.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.pipe(out, { end: false });
  child.stderr.pipe(out, { end: false });
  const code = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (exit, signal) => resolve(exit ?? signal));
  });
  await new Promise((resolve) => out.end(resolve));
  if (code !== 0) return `it ended with ${code}`;
  return part.fault?.(readFileSync(log, 'utf8')) ?? null;
}

function memoryFault(log) {
  const used = /"rssMiB":(\d+)/.exec(log)?.[1];
  if (used === undefined) return 'it does not say how much memory it used';
  return Number(used) > memoryMiBMax ? `${used} MiB` : null;
}
