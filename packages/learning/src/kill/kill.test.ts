import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSeededRandom } from '@pulsemesh/base';
import type { AnyBoardEntry } from '@pulsemesh/board';
import { openBoardClient } from '@pulsemesh/board/client';
import { createMemoryTables } from '@pulsemesh/store';
import { fromHex } from '@pulsemesh/wire';
import { afterAll, describe, expect, it } from 'vitest';
import { verifyRun } from '../audit/verify-run.ts';
import { plainOutput, plainSum, plainSumTask } from '../testing/plain-sum.ts';
import { dependencies, identityOf, policy } from './common.ts';

// SIGKILL of sites and aggregator at random moments, over a real relay and a real board. A campaign: LEARNING_KILLS=60 LEARNING_SEED=7.
const kills = Number(process.env['LEARNING_KILLS'] ?? 3);
const seed = Number(process.env['LEARNING_SEED'] ?? 1);
const hostProgram = fileURLToPath(new URL('./host-process.ts', import.meta.url));
const agentProgram = fileURLToPath(new URL('./agent-process.ts', import.meta.url));
const base = await mkdtemp(join(tmpdir(), 'pulsemesh-learning-'));
const children = new Set<Child>();
afterAll(async () => {
  for (const child of children) await child.kill();
  await rm(base, { recursive: true, force: true });
});

/** A process and the lines it printed, over all its lives. */
class Child {
  readonly lines: string[] = [];
  readonly #program: string;
  readonly #args: readonly string[];
  #process: ChildProcess;
  #wake = () => {};

  constructor(program: string, args: readonly string[]) {
    this.#program = program;
    this.#args = args;
    this.#process = this.#start();
    children.add(this);
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, [this.#program, ...this.#args], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#wake();
    });
    return child;
  }

  async until(isSo: (lines: readonly string[]) => boolean): Promise<void> {
    while (!isSo(this.lines)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  get end(): string | undefined {
    return this.lines.find((line) => line.startsWith('end '))?.slice(4);
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    this.#process = this.#start();
  }
}

describe('sites and aggregator that are killed', () => {
  it(`finish the run with the exact sum, and nothing that left one differs between its lives: ${kills} kills, seed ${seed}`, async () => {
    const random = createSeededRandom(seed);
    const host = new Child(hostProgram, [join(base, 'host')]);
    await host.until((lines) => lines.length > 0);
    const [relayUrl = '', boardUrl = ''] = (host.lines[0] ?? '').split(' ');
    await using board = await openBoardClient(
      { url: boardUrl, policy, store: createMemoryTables() },
      { clock: dependencies.clock },
    );
    const rounds = 2;
    const sites = [1, 2, 3];
    const deadlineMs = dependencies.clock.now() + 600_000;
    const task = plainSumTask({
      aggregator: identityOf(0).peerId,
      sitesMin: 3,
      sitesMax: 3,
      rounds,
      deadlineMs,
      stepMs: 60_000,
    });
    const { id: taskId } = await board.publish('task', task, identityOf(60));
    const agents = [0, ...sites].map(
      (number) => new Child(agentProgram, [join(base, `agent ${number}`), relayUrl, boardUrl, `${number}`, taskId]),
    );
    for (let kill = 0; kill < kills; kill += 1) {
      const agent = agents[random.integer(agents.length)] as Child; // below the length
      const target = agent.lines.length + 1 + random.integer(4);
      await agent.until((lines) => lines.length >= target || agent.end !== undefined);
      await agent.restart();
    }
    for (const agent of agents) await agent.until(() => agent.end !== undefined);
    for (const agent of agents) expect(plainOutput(fromHex(agent.end ?? ''))).toEqual(plainSum(sites, rounds));
    for (const agent of agents) {
      const hashes = new Map<string, string>();
      for (const [, what = '', hash = ''] of agent.lines.map((line) => /^sent (\S+) (\S+)$/.exec(line) ?? [])) {
        expect(hashes.get(what) ?? hash, what).toBe(hash);
        hashes.set(what, hash);
      }
      expect(hashes.size).toBeGreaterThan(rounds);
    }
    await board.refresh();
    const entries: AnyBoardEntry[] = [];
    board.onEntry((entry) => entries.push(entry))[Symbol.dispose]();
    expect(verifyRun(entries, taskId).findings).toEqual([]);
  }, 300_000);
});
