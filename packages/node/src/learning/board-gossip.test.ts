import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { verifyEvidence } from '@pulsemesh/board/client';
import { LyingBoard, sampleContract, sampleTask } from '@pulsemesh/board/testing';
import { createCard, type Identity, loadOrCreateIdentity } from '@pulsemesh/identity';
import { startLink } from '@pulsemesh/link';
import { afterEach, describe, expect, it } from 'vitest';
import { startRelayService } from '../relay/relay-service.ts';
import { type Learner, startLearner } from './learner.ts';

const meter = createPrometheusMeter();
const clock = createSystemClock({ unref: true });
const deps = { clock, random: createSystemRandom(), logger: silentLogger, meter };

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

/** A relay, and a board that shows each reader what it likes. */
async function startServers() {
  const place = directory('relay');
  const identity = await identityIn(place);
  const settings = { host: '127.0.0.1', port: 0, dataDirectory: place };
  const { url } = stack.use(await startRelayService(settings, identity, deps));
  return { relay: { url, peerId: identity.peerId }, board: stack.use(await LyingBoard.start()) };
}

/** A learner that reads the board's view of its own name. */
async function aLearner(name: string, { relay, board }: Awaited<ReturnType<typeof startServers>>): Promise<Learner> {
  const dataDirectory = directory(name);
  const identity = await identityIn(dataDirectory);
  const network = { proxy: { kind: 'none' } } as const;
  const link = stack.use(
    startLink({ url: relay.url, server: relay.peerId, identity, software: 'test', ...network }, deps),
  );
  const policy = { board: board.verifier, witnesses: [], quorum: 0 };
  const place = { url: board.url(name), policy, authorities: [] };
  return stack.use(
    await startLearner({ dataDirectory, organisation: name, identity, relay, link, board: place, network }, deps),
  );
}

describe('learners of one task', () => {
  it('find out by the relay that a board shows them different things, and keep the evidence', async () => {
    const servers = await startServers();
    const { board } = servers;
    const common = board.show('alice');
    board.views.set('bob', common);
    const [alice, bob] = [await aLearner('alice', servers), await aLearner('bob', servers)];
    await expect.poll(() => alice.board.refresh().then(() => alice.board.entries('key').length)).toBe(2);
    const { id } = await alice.board.publish('task', sampleTask(), alice.identity);
    await bob.board.publish('contract', sampleContract(id), bob.identity);
    await alice.board.refresh();
    board.show('bob', common.leaves);
    const text = { title: 'notice', text: 'text' };
    await alice.board.publish('announcement', text, alice.identity);
    await bob.board.publish('announcement', text, bob.identity);
    await Promise.all([alice.board.refresh(), bob.board.refresh()]);
    await alice.gossip.tell();
    await expect.poll(() => bob.board.evidence?.kind, { timeout: 20_000 }).toBe('split-view');
    await bob.gossip.tell();
    await expect.poll(() => alice.board.evidence, { timeout: 20_000 }).not.toBeNull();
    if (alice.board.evidence === null) return;
    expect(verifyEvidence(alice.board.evidence, board.verifier).text).toContain('shows different people different');
    await expect(bob.board.refresh()).rejects.toMatchObject({ code: 'board-lied' });
  }, 60_000);

  it('are told when somebody enrols a key under their name, or a card under their key that they did not make', async () => {
    const servers = await startServers();
    servers.board.show('carol');
    const carol = await aLearner('carol', servers);
    await expect.poll(() => carol.board.refresh().then(() => carol.board.entries('key').length)).toBe(1);
    const alarms = async () => {
      const lines = (await meter.text()).matchAll(/^board_key_alarms_total\{kind="(.*?)"\} (\d+)$/gm);
      return [...lines].map(([, kind, count]) => [kind, count]);
    };
    expect(await alarms()).toEqual([]);
    const impostor = await identityIn(directory('impostor'));
    const card = createCard(impostor, { name: 'impostor' }, deps).bytes;
    await carol.board.publish('key', { action: 'enrol', subject: impostor.peerId, name: 'Carol', card }, impostor);
    const stolen = createCard(carol.identity, { name: 'thief' }, deps).bytes;
    const rotation = { action: 'rotate', subject: carol.self, name: 'carol', card: stolen } as const;
    await carol.board.publish('key', rotation, carol.identity);
    await carol.board.refresh();
    expect(await alarms()).toEqual([
      ['my-name', '1'],
      ['my-key', '1'],
    ]);
  }, 60_000);
});
