import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Case, Outcome, Protocol, Setting } from './setting.ts';

/** One network to be played: a case under one protocol. */
export interface Cell {
  readonly of: Case;
  readonly setting: Setting;
  readonly run: number;
}

export interface CellOptions {
  /** Cells played side by side: counts and shares hold, times are those of a busy machine. */
  readonly atOnce: number;
  /** Where each cell's outcome is kept; what lies there already is not played again. Null: nowhere. */
  readonly directory: string | null;
  readonly say: (text: string) => void;
}

/** What a process may take for a network beyond the seconds its setting names: starting, connecting, draining. */
const secondsBeside = (nodes: number) => 600 + 15 * nodes;

/** MiB of new objects before they are looked through: what a hundred hosts in one process hold for a moment is much. */
const newObjectsMiB = 64;

/** The cells of a case, protocols in turn. `protocols`: of those of the case only these. */
export function cellsOf(one: Case, runs: number, protocols: readonly string[] | null): Cell[] {
  const played = one.protocols.filter((protocol) => protocols === null || protocols.includes(protocol));
  return Array.from({ length: runs }, (_, run) =>
    played.map((protocol) => ({ of: one, run, setting: { ...one.setting, protocol, seed: one.setting.seed + run } })),
  ).flat();
}

/** Plays cells and gives what came of them; one that fails is said to have failed, and has no outcome. */
export async function playCells(
  cells: readonly Cell[],
  options: CellOptions,
): Promise<ReadonlyMap<Case, ReadonlyMap<Protocol, readonly Outcome[]>>> {
  const outcomes = new Map(cells.map((cell) => [cell, null as Outcome | null]));
  const waiting = [...cells];
  const work = async () => {
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      outcomes.set(cell, await playCell(cell, options));
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, work));
  const byCase = new Map<Case, Map<Protocol, Outcome[]>>();
  for (const [{ of, setting }, outcome] of outcomes) {
    const byProtocol = byCase.get(of) ?? new Map<Protocol, Outcome[]>(of.protocols.map((each) => [each, []]));
    byCase.set(of, byProtocol);
    if (outcome !== null) byProtocol.get(setting.protocol)?.push(outcome);
  }
  return byCase;
}

async function playCell(cell: Cell, { directory, say }: CellOptions): Promise<Outcome | null> {
  const { of, setting, run } = cell;
  const title = `${of.name} ${setting.protocol}, run ${run + 1}`;
  const file = directory === null ? null : join(directory, `${title.replace(/[^\w-]+/g, '-')}.json`);
  const kept = file === null ? null : read(file, setting);
  if (kept !== null) {
    say(`${title} (kept): ${JSON.stringify(rounded(kept))}`);
    return kept;
  }
  const startedMs = performance.now();
  try {
    const outcome = await playSetting(setting);
    if (file !== null) write(file, { setting, outcome });
    say(`${title} (${Math.round((performance.now() - startedMs) / 1_000)} s): ${JSON.stringify(rounded(outcome))}`);
    return outcome;
  } catch (error) {
    say(`${title} FAILED: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

function read(file: string, setting: Setting): Outcome | null {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { setting: unknown; outcome: Outcome }; // of our own making
    return JSON.stringify(kept.setting) === JSON.stringify(setting) ? kept.outcome : null;
  } catch {
    return null;
  }
}

function write(file: string, what: object): void {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(`${file}.part`, JSON.stringify(what, null, 2));
  renameSync(`${file}.part`, file);
}

/** Plays one setting in a process of its own. @throws where the process ends without an outcome, or does not end. */
async function playSetting(setting: Setting): Promise<Outcome> {
  const main = fileURLToPath(new URL('./network-main.ts', import.meta.url));
  const more = process.env['BENCH_NODE_OPTIONS']?.split(' ') ?? [];
  const child = fork(main, [], { execArgv: ['--expose-gc', `--max-semi-space-size=${newObjectsMiB}`, ...more] });
  const { warmUpSeconds, idleSeconds, phases, nodes } = setting;
  const playing = phases.reduce(
    (sum, { messages, messagesPerSecond }) => sum + messages / (messagesPerSecond ?? messages),
    0,
  );
  const limit = setTimeout(
    () => child.kill('SIGKILL'),
    1_000 * (warmUpSeconds + idleSeconds + playing + secondsBeside(nodes)),
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Outcome)); // from our own code
      child.once('exit', (code, signal) => reject(new Error(`the network ended with ${code ?? signal}`)));
      child.send(setting);
    });
  } finally {
    await ended;
    clearTimeout(limit);
  }
}

function rounded(outcome: Outcome): unknown {
  return JSON.parse(
    JSON.stringify(outcome, (_key, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value)),
  );
}
