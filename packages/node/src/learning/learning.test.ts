import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseVerifierKey } from '@pulsemesh/board/verify';
import { accountant, verifyRun } from '@pulsemesh/learning';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startBoardService } from '../board/board-service.ts';
import { boardServiceSchema } from '../config/board-settings.ts';
import { codeHash } from './code-hash.ts';
import { siteSettingsSchema } from './learner-settings.ts';
import { LearnerWorld } from './learner-world.testing.ts';
import { openSite } from './open-site.ts';
import { patientsOf } from './rhythm-records.ts';
import { rhythmPurpose, rhythmTask } from './rhythm-task.ts';
import { runTasks, type TaskHappening } from './run-tasks.ts';

let world: LearnerWorld;
beforeEach(() => {
  world = new LearnerWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

/** A relay and a board, over real sockets. */
async function startServers() {
  const { deps, stack } = world;
  const place = world.directory('board');
  const settings = { ...boardServiceSchema.parse({ port: 0, open: true }), dataDirectory: place };
  const { url, key } = stack.use(await startBoardService(settings, await world.identityIn(place), deps));
  const policy = { board: parseVerifierKey(key), witnesses: [], quorum: 0 };
  return { relay: await world.startRelay(), board: { url, policy, authorities: [] } };
}

/** Happenings after which nothing more comes. */
const ends = new Set<TaskHappening['kind']>(['site-ended', 'sum-ended', 'failed']);

/** Consents of all patients of a site but the last. */
async function consentsFor(seed: number, place: string): Promise<string> {
  const patients = await patientsOf({ kind: 'generated', seed, patients: 6 });
  const rows = patients.slice(0, -1).map((patient, index) => ({
    id: index.toString(16).padStart(64, '0'),
    patient,
    purposes: [rhythmPurpose],
    from: '2020-01-01T00:00:00Z',
    until: '2100-01-01T00:00:00Z',
  }));
  const file = join(place, 'consents.json');
  writeFileSync(file, JSON.stringify(rows));
  return file;
}

describe('three hospitals and a study office', () => {
  it('train the rhythm model together over a relay and a board, and put it into service where it is no worse', async () => {
    const { deps, stack } = world;
    const servers = await startServers();
    const office = await world.startLearner('Study office', servers);
    const hospitals = await Promise.all(['North', 'East', 'South'].map((name) => world.startLearner(name, servers)));
    const code = await codeHash();
    const common = { joins: 'invited', aggregates: true, joinMs: 30_000, codeHash: code } as const;
    const ended = [office, ...hospitals].map(() => Promise.withResolvers<TaskHappening>());
    for (const [index, learner] of [office, ...hospitals].entries()) {
      const settings = siteSettingsSchema.parse({
        records: { kind: 'generated', seed: index, patients: 6 },
        consentsFile: await consentsFor(index, learner.dataDirectory),
        epsilonMax: null,
        models: [join(learner.dataDirectory, 'models')],
        tolerance: 0.5,
      });
      const site = index === 0 ? null : await openSite(settings, learner, deps);
      const onHappening = (happening: TaskHappening) => {
        if (ends.has(happening.kind)) ended[index]?.resolve(happening);
      };
      stack.use(runTasks(learner, { ...common, site }, { ...deps, onHappening }));
    }
    const task = rhythmTask({
      title: 'Rhythm',
      aggregator: office.self,
      invited: hospitals.map(({ self }) => self),
      sitesMin: 3,
      sitesMax: 3,
      rounds: 2,
      localEpochs: 2,
      stepMs: 60_000,
      deadlineMs: deps.clock.now() + 600_000,
      seed: 1,
      codeHash: code,
    });
    const { id } = await office.board.publish('task', task, office.identity);
    const [sum, ...sites] = await Promise.all(ended.map(({ promise }) => promise));
    expect(sum).toMatchObject({ kind: 'sum-ended', end: { kind: 'finished', sites: 3, epsilon: null } });
    for (const site of sites) {
      expect(site).toMatchObject({ kind: 'site-ended', run: { end: { kind: 'finished' }, isInService: true } });
    }
    await office.board.refresh();
    // Everybody's contract says how many patients consented, in tens.
    const contracts = office.board.entries('contract');
    expect(contracts.map(({ body }) => body.data?.patients)).toEqual([0, 0, 0]);
    expect(office.board.entries('model')).toHaveLength(1);
    await expect.poll(() => office.board.refresh().then(() => office.board.entries('evaluation').length)).toBe(3);
    const all: Parameters<typeof verifyRun>[0][number][] = [];
    office.board.onEntry((entry) => void all.push(entry))[Symbol.dispose]();
    expect(verifyRun(all, id, { accountant })).toMatchObject({ isSound: true, findings: [] });
  }, 180_000);
});
