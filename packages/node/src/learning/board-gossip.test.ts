import { verifyEvidence } from '@pulsemesh/board/client';
import { LyingBoard, sampleContract, sampleTask } from '@pulsemesh/board/testing';
import { createCard } from '@pulsemesh/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Learner } from './learner.ts';
import { LearnerWorld } from './learner-world.testing.ts';

let world: LearnerWorld;
beforeEach(() => {
  world = new LearnerWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

/** A relay, and a board that shows each reader what it likes. */
async function startServers() {
  return { relay: await world.startRelay(), board: world.stack.use(await LyingBoard.start()) };
}

/** A learner that reads the board's view of its own name. */
function aLearner(name: string, { relay, board }: Awaited<ReturnType<typeof startServers>>): Promise<Learner> {
  const policy = { board: board.verifier, witnesses: [], quorum: 0 };
  return world.startLearner(name, { relay, board: { url: board.url(name), policy, authorities: [] } });
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
      const lines = (await world.deps.meter.text()).matchAll(/^board_key_alarms_total\{kind="(.*?)"\} (\d+)$/gm);
      return [...lines].map(([, kind, count]) => [kind, count]);
    };
    expect(await alarms()).toEqual([]);
    const impostor = await world.identityIn(world.directory('impostor'));
    const card = createCard(impostor, { name: 'impostor' }, world.deps).bytes;
    await carol.board.publish('key', { action: 'enrol', subject: impostor.peerId, name: 'Carol', card }, impostor);
    const stolen = createCard(carol.identity, { name: 'thief' }, world.deps).bytes;
    const rotation = { action: 'rotate', subject: carol.self, name: 'carol', card: stolen } as const;
    await carol.board.publish('key', rotation, carol.identity);
    await carol.board.refresh();
    expect(await alarms()).toEqual([
      ['my-name', '1'],
      ['my-key', '1'],
    ]);
  }, 60_000);
});
