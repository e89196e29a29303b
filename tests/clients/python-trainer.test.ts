import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSeededRandom } from '@pulsemesh/base';
import type { TrainingWork } from '@pulsemesh/board';
import { openEnvelope, sealEnvelope } from '@pulsemesh/identity/envelope';
import { areaUnderCurve, createRemoteModel, type LearningTable, remoteModelLimits } from '@pulsemesh/learning';
import { addressOfKey } from '@pulsemesh/relay';
import { fromHex, toHex } from '@pulsemesh/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonAbsence, pythonCommand } from './python-process.ts';
import { dependencies, type HomeAgent, type RelayWorld, startRelayWorld } from './relay-world.ts';

const absence = pythonAbsence();
const context = 'pulsemesh/learning/trainer/1';
const trainer = fileURLToPath(new URL('../../examples/learning-trainer.py', import.meta.url));

const work: TrainingWork = {
  kind: 'training',
  model: { family: 'example', inputs: 2, hidden: [], parameters: 3 },
  algorithm: 'fedavg',
  proximal: 0,
  localEpochs: 1,
  batchSize: 64,
  learningRate: 0.5,
  weightDecay: 0,
  seed: 1,
};

function tableOf(rows: number): LearningTable {
  const random = createSeededRandom(3);
  const values = Float64Array.from({ length: rows * 2 }, () => random.normal());
  const labels = Uint8Array.from({ length: rows }, (_, row) =>
    Number((values[2 * row] ?? 0) > (values[2 * row + 1] ?? 0)),
  );
  return { columns: ['x', 'y'], values, labels, patients: ['p'], patientOfRow: new Uint32Array(rows) };
}

describe.skipIf(absence !== null)('a trainer in Python', () => {
  let world: RelayWorld;
  let home: HomeAgent;
  let directory = '';
  beforeAll(async () => {
    world = await startRelayWorld();
    home = await world.connectHome();
    directory = await mkdtemp(join(tmpdir(), 'pulsemesh-trainer-'));
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  /** Starts the example; gives the way to ask it, sealed both ways. */
  async function startTrainer(node = home.identity.publicKey) {
    const relay = ['--url', world.url, '--server', world.identity.peerId, '--ca', world.caFile];
    const keys = ['--node', toHex(node), '--node-sealing-key', toHex(home.identity.sealing.publicKey)];
    const child = spawn(pythonCommand.path, [trainer, ...relay, '--identity', join(directory, toHex(node)), ...keys], {
      env: pythonCommand.env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { publicKey, sealingKey } = JSON.parse(line) as { publicKey: string; sealingKey: string };
    const to = { sealingKey: fromHex(sealingKey) };
    let asked = 0;
    return {
      count: () => asked,
      async ask(content: Uint8Array): Promise<Uint8Array> {
        asked += 1;
        const envelope = sealEnvelope({ from: home.identity, to, content, context }, dependencies);
        const answer = await home.client.raw.request(addressOfKey(fromHex(publicKey)), 'learning.train', envelope);
        return openEnvelope(answer, { to: home.identity, context }).content;
      },
      async [Symbol.asyncDispose]() {
        const exited = once(child, 'exit');
        child.stdin.end();
        await exited;
      },
    };
  }

  it('gets weights and records in parts, and gives better weights and scores', async () => {
    await using python = await startTrainer();
    const model = createRemoteModel({ family: 'example' }, { ask: python.ask, random: dependencies.random });
    const rows = Math.ceil((1.5 * remoteModelLimits.partBytes) / 9);
    const table = tableOf(rows);
    const start = {
      means: new Float32Array(2),
      scales: new Float32Array(2).fill(1),
      weights: model.firstWeights(work),
    };
    const settings = { work, from: 0, until: 1 };
    const weights = await model.train(start, table, { ...settings, random: createSeededRandom(1) });
    expect(python.count()).toBe(2);
    const scores = await model.scores({ ...start, weights: Float32Array.from(weights) }, tableOf(500));
    expect(areaUnderCurve(scores, tableOf(500).labels)).toBeGreaterThan(0.99);
    expect(await model.train(start, table, { ...settings, random: createSeededRandom(1) })).toEqual(weights);
  });

  it('answers nobody but its node', async () => {
    await using python = await startTrainer(world.identity.publicKey);
    const model = createRemoteModel({ family: 'example' }, { ask: python.ask, random: dependencies.random });
    const state = { means: new Float32Array(2), scales: new Float32Array(2), weights: new Float32Array(3) };
    await expect(async () => model.scores(state, tableOf(3))).rejects.toThrow();
  });
});
