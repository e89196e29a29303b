import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { parseVerifierKey } from '@pulsemesh/board/verify';
import { type Identity, loadOrCreateIdentity } from '@pulsemesh/identity';
import { accountant, verifyRun } from '@pulsemesh/learning';
import { startLink } from '@pulsemesh/link';
import { afterEach, describe, expect, it } from 'vitest';
import { startBoardService } from '../board/board-service.ts';
import { boardServiceSchema } from '../config/board-settings.ts';
import { startRelayService } from '../relay/relay-service.ts';
import { codeHash } from './code-hash.ts';
import { type Learner, startLearner } from './learner.ts';
import { siteSettingsSchema } from './learner-settings.ts';
import { openSite } from './open-site.ts';
import { patientsOf } from './rhythm-records.ts';
import { rhythmPurpose, rhythmTask } from './rhythm-task.ts';
import { runTasks, type TaskHappening } from './run-tasks.ts';

const deps = {
  clock: createSystemClock({ unref: true }),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: createPrometheusMeter(),
};

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

function directory(name: string): string {
  const made = mkdtempSync(join(tmpdir(), `pulsemesh-${name}-`));
  stack.defer(() => rmSync(made, { recursive: true, force: true, maxRetries: 5 }));
  return made;
}

function identityIn(place: string): Promise<Identity> {
  return loadOrCreateIdentity({ file: join(place, 'identity.json'), keyFile: join(place, 'identity.key') }, deps);
}

/** A relay and a board, over real sockets. */
async function startServers() {
  const relayPlace = directory('relay');
  const relayIdentity = await identityIn(relayPlace);
  const relay = stack.use(
    await startRelayService({ host: '127.0.0.1', port: 0, dataDirectory: relayPlace }, relayIdentity, deps),
  );
  const boardPlace = directory('board');
  const settings = { ...boardServiceSchema.parse({ port: 0, open: true }), dataDirectory: boardPlace };
  const board = stack.use(await startBoardService(settings, await identityIn(boardPlace), deps));
  const place = {
    url: board.url,
    policy: { board: parseVerifierKey(board.key), witnesses: [], quorum: 0 },
    authorities: [],
  };
  return { relay: { url: relay.url, peerId: relayIdentity.peerId }, board: place };
}

type Servers = Awaited<ReturnType<typeof startServers>>;

async function startParty(name: string, { relay, board }: Servers): Promise<Learner & { readonly place: string }> {
  const place = directory(name);
  const identity = await identityIn(place);
  const linkTo = { url: relay.url, server: relay.peerId, identity, software: 'test', proxy: { kind: 'none' } } as const;
  const link = stack.use(startLink(linkTo, deps));
  const network = { proxy: { kind: 'none' } } as const;
  const options = { dataDirectory: place, organisation: name, identity, relay, link, board, network };
  return Object.assign(stack.use(await startLearner(options, deps)), { place });
}

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
    const servers = await startServers();
    const office = await startParty('Study office', servers);
    const hospitals = await Promise.all(['North', 'East', 'South'].map((name) => startParty(name, servers)));
    const code = await codeHash();
    const common = { joins: 'invited', aggregates: true, joinMs: 30_000, codeHash: code } as const;
    const ends = [office, ...hospitals].map(() => Promise.withResolvers<TaskHappening>());
    for (const [index, learner] of [office, ...hospitals].entries()) {
      const settings = siteSettingsSchema.parse({
        records: { kind: 'generated', seed: index, patients: 6 },
        consentsFile: await consentsFor(index, learner.place),
        epsilonMax: null,
        models: [join(learner.place, 'models')],
        tolerance: 0.5,
      });
      const site = index === 0 ? null : await openSite(settings, learner, deps);
      const onHappening = (happening: TaskHappening) => {
        if (happening.kind !== 'joined' && happening.kind !== 'summing') ends[index]?.resolve(happening);
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
    const [sum, ...sites] = await Promise.all(ends.map(({ promise }) => promise));
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
