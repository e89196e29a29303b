import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BoardClient } from '@pulsemesh/board/client';
import { describe, expect, it } from 'vitest';
import { CommandProcess, temporaryDirectory } from './demo-process.ts';
import { bringHearts, command, type LearnWorld, startLearnWorld, writeConsents } from './learn-world.ts';

/** Resolves when round `round` was opened. */
function opened(board: BoardClient, round: number): Promise<void> {
  return new Promise((resolve) => {
    board.onEntry((entry) => {
      if (entry.kind === 'round' && entry.body.round === round && entry.body.step.name === 'opened') resolve();
    });
  });
}

/** The task's id, once it is told. */
async function taskOf(publisher: CommandProcess): Promise<string> {
  const [, id = ''] = await publisher.seen(/^task ([0-9a-f]{64})$/m);
  return id;
}

async function trainTogether({ office, hospitals, reader, board }: LearnWorld): Promise<void> {
  const joins = hospitals.map((hospital, index) => {
    const models = join(hospital.directory, 'models');
    const records = bringHearts(hospital, index + 1, 6);
    return ['learn', 'join', ...hospital.flags, ...records, '--models', models, '--tolerance', '0.1'];
  });
  await using stack = new AsyncDisposableStack();
  const start = (args: readonly string[] | undefined) => stack.use(new CommandProcess(args ?? []));
  const sites = joins.map(start);
  const inRound = opened(board, 2);
  const publish = ['learn', 'publish', '--rhythm', '--title', 'Hearts', '--rounds', '2', '--local-epochs', '30'];
  const invited = hospitals.map(({ peer }) => peer);
  const publisher = start([...publish, ...office.flags, '--invite', ...invited]);
  const task = await taskOf(publisher);
  await inRound;
  // East, in the middle of a round: started again it goes on where it was.
  sites[1]?.signal('SIGKILL');
  await sites[1]?.exited;
  sites[1] = start(joins[1]);
  expect(await publisher.exited, publisher.text).toBe(0);
  for (const site of sites) {
    const [line] = await site.seen(/^[0-9a-f]{16} {2}ended here.*$/m);
    expect(line).toMatch(/end finished {2}auc [01]\.?\d* .*drift \S+ \d+\.\d+ \(\w+\).*in service true/);
    site.signal('SIGTERM');
    expect(await site.exited).toBe(0);
  }
  for (const { directory } of hospitals) expect(existsSync(join(directory, 'models', 'rr.onnx'))).toBe(true);

  const [view] = JSON.parse(await command(['learn', 'status', task.slice(0, 12), '--json', ...reader]));
  expect(view).toMatchObject({ state: 'finished', roundsDone: 3, isSound: true, result: { kind: 'model' } });
  expect(view.evaluations).toHaveLength(3);
  expect(await command(['learn', 'verify', task.slice(0, 12), ...reader])).toContain('sound');
  const [north] = hospitals;
  const elsewhere = join(north.directory, 'other-models');
  const records = (joins[0] ?? []).slice(2 + north.flags.length, 6 + north.flags.length);
  const adopt = ['learn', 'adopt', task.slice(0, 12), ...north.flags, ...records, '--models', elsewhere];
  expect(await command([...adopt, '--tolerance', '0.1'])).toContain('in service');
  expect(existsSync(join(elsewhere, 'rr.onnx'))).toBe(true);
  // Compared with itself and wanted better than that, nothing changes.
  expect(JSON.parse(await command([...adopt, '--json']))).toMatchObject({ isInService: true });
}

async function askTogether({ office, hospitals, reader }: LearnWorld, directory: string): Promise<void> {
  const query = join(directory, 'stay.json');
  const columns = [{ name: 'age', unit: 'a', about: 'at admission', low: 0, high: 120 }];
  writeFileSync(query, JSON.stringify({ name: 'stays', version: 1, about: 'one row a stay', columns, label: null }));
  await using stack = new AsyncDisposableStack();
  const sites = hospitals.map((hospital, site) => {
    const folder = join(hospital.directory, 'tables');
    mkdirSync(folder);
    const patients = Array.from({ length: 100 }, (_, patient) => `${hospital.name}-${patient}`);
    const rows = patients.map((patient, index) => `${patient},${40 + site * 10 + (index % 10)}`);
    writeFileSync(join(folder, 'stays.csv'), `patient,age\n${rows.join('\n')}\n`);
    const consents = writeConsents(hospital, patients, 'research/stay');
    const records = ['--csv', folder, '--query', query, '--consents', consents, '--epsilon-max', '8', '--once'];
    return stack.use(new CommandProcess(['learn', 'join', ...hospital.flags, ...records]));
  });
  const invited = hospitals.map(({ peer }) => peer);
  const what = ['--query', query, '--ask', 'mean:age:0:120', '--purpose', 'research/stay', '--epsilon', '4'];
  const who = ['--title', 'Ages', '--aggregator', 'none', '--invite', ...invited];
  const publisher = stack.use(new CommandProcess(['learn', 'publish', ...office.flags, ...what, ...who]));
  const task = await taskOf(publisher);
  expect(await publisher.exited, publisher.text).toBe(0);
  for (const site of sites) expect(await site.exited, site.text).toBe(0);

  const [north] = hospitals;
  const out = join(north.directory, 'ages.json');
  const status = ['learn', 'status', task, ...reader, '--data', north.data, '--out', out];
  expect(await command(status)).toMatch(/mean of age: \S+ answered, give or take \S+, mean \S+/);
  const [answer] = JSON.parse(readFileSync(out, 'utf8')).answers;
  // 300 patients of 54.5 on average, and noise of some patients.
  expect(Math.abs(answer.count - 300)).toBeLessThan(10 * answer.deviation);
  expect(Math.abs(answer.mean - 54.5)).toBeLessThan(15);
  expect(await command(['learn', 'verify', task, ...reader])).toContain('sound');
  const spent = JSON.parse(await command(['learn', 'budget', '--json', '--data', north.data]));
  expect(spent[0]).toMatchObject({ purpose: 'research/stay', task: null, reveals: 1 });
  expect(spent[0].epsilon).toBeGreaterThan(3.9);
  expect(spent[0].epsilon).toBeLessThanOrEqual(4);
}

describe('three hospitals and an office, each command a process, one behind a proxy that strips Upgrade', () => {
  it('train a model though one is killed in a round, put it into service, and ask a survey among themselves', {
    timeout: 300_000,
  }, async () => {
    using directory = temporaryDirectory();
    await using stack = new AsyncDisposableStack();
    const world = await startLearnWorld(directory.path, stack);
    await trainTogether(world);
    await askTogether(world, directory.path);
  });
});
