import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BootstrapElection, defaultElection } from './bootstrap-election.ts';
import type { LivePeer, RoleName } from './port.ts';

const live = (id: string, role: RoleName): LivePeer => ({
  id: id as PeerId,
  roles: [role],
  addresses: [],
  pid: 1,
  startedMs: 1,
});

/** Some peers that see each other, and what bootstraps there are, over time. */
function createWorld(names: readonly string[], originals: readonly string[], cannotStart: readonly string[] = []) {
  const elections = new Map(names.map((name) => [name, new BootstrapElection(name as PeerId)]));
  const own = new Map<string, PeerId>();
  let nowMs = 0;
  let bootstraps = [...originals];
  let started = 0;
  const run = (forMs: number) => {
    for (const untilMs = nowMs + forMs; nowMs < untilMs; nowMs += 500) {
      const livePeers = [
        ...names.map((name) => live(name, 'storage')),
        ...bootstraps.map((id) => live(id, 'bootstrap')),
      ];
      const all = [...livePeers, ...[...own.values()].map((id) => live(id, 'bootstrap'))];
      const successors = new Set(own.values());
      for (const [name, election] of elections) {
        const isSuccessor = (id: PeerId) => successors.has(id);
        const step = election.step({ livePeers: all, isSuccessor, own: own.get(name), nowMs });
        if (step === 'start') started += 1;
        if (step === 'start' && !cannotStart.includes(name)) own.set(name, `successor ${started}` as PeerId);
        if (step === 'stop') own.delete(name);
      }
    }
  };
  return {
    run,
    own,
    setBootstraps: (ids: readonly string[]) => {
      bootstraps = [...ids];
    },
    get started() {
      return started;
    },
  };
}

describe('the election of a bootstrap', () => {
  it('is not held while one lives', () => {
    const world = createWorld(['a', 'b', 'c'], ['original']);
    world.run(600_000);
    expect(world.started).toBe(0);
  });

  it('has a successor within ten seconds, and mostly one', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 }), (names) => {
        const world = createWorld(names, ['one', 'two']);
        world.run(20_000);
        world.setBootstraps(['two']);
        world.run(20_000);
        expect(world.own.size).toBe(0);
        world.setBootstraps([]);
        world.run(10_000);
        expect(world.own.size).toBe(1);
        world.run(100_000);
        expect(world.own.size).toBe(1);
      }),
    );
  });

  it('goes to the next in rank when the first cannot', () => {
    const names = ['a', 'b', 'c', 'd'];
    for (const able of names) {
      const world = createWorld(
        names,
        ['original'],
        names.filter((name) => name !== able),
      );
      world.run(1_000);
      world.setBootstraps([]);
      world.run(defaultElection.goneMs + names.length * defaultElection.turnMs + 1_000);
      expect([...world.own.keys()]).toEqual([able]);
    }
  });

  it('waits longer for bootstraps that were never seen', () => {
    const world = createWorld(['a', 'b'], []);
    world.run(defaultElection.graceMs);
    expect(world.started).toBe(0);
    world.run(1_000);
    expect(world.own.size).toBe(1);
  });

  it('does not wait longer for one that was there only between two steps', () => {
    const election = new BootstrapElection('a' as PeerId);
    election.sawOne();
    const step = (nowMs: number) =>
      election.step({ livePeers: [live('a', 'storage')], isSuccessor: () => false, own: undefined, nowMs });
    expect([step(0), step(defaultElection.goneMs)]).toEqual(['nothing', 'start']);
  });

  it('lets the successor retire when an original is back for a while', () => {
    const world = createWorld(['a', 'b'], ['original']);
    world.run(1_000);
    world.setBootstraps([]);
    world.run(10_000);
    expect(world.own.size).toBe(1);
    world.setBootstraps(['original']);
    world.run(defaultElection.retireMs - 1_000);
    expect(world.own.size).toBe(1);
    world.run(2_000);
    expect(world.own.size).toBe(0);
    world.run(100_000);
    expect(world.own.size).toBe(0);
  });

  it('leaves one of two successors', () => {
    const world = createWorld(['a', 'b', 'c'], []);
    world.own.set('a', 'successor 8' as PeerId);
    world.own.set('c', 'successor 9' as PeerId);
    world.run(2 * defaultElection.retireMs);
    expect([...world.own.keys()]).toEqual(['a']);
  });
});
