import { Condition, createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadRequestError, PeerUnreachableError } from './errors.ts';
import { createMemoryNetwork } from './memory-network.ts';
import type { NetworkPort } from './port.ts';
import { createRpcClient } from './rpc.ts';
import { defaultWorkerSearch, failedPeersMax, WorkerSearch } from './worker-search.ts';
import { createWorkerFinder, offerWork, roleKey, type WorkerFinderOptions } from './workers.ts';

function setUp(workerCount: number, options: Partial<WorkerFinderOptions> = {}) {
  const clock = new VirtualClock();
  const random = createSeededRandom(3);
  const network = createMemoryNetwork({ clock, random, noticeMs: 1000 });
  const port = network.join({ roles: ['aggregation'] });
  const free = new Map<PeerId, boolean>();
  const join = () => {
    const worker = network.join({ roles: ['prediction'] });
    free.set(worker.self, true);
    offerWork(worker, 'prediction', () => free.get(worker.self) === true);
    return worker.self;
  };
  const workers = Array.from({ length: workerCount }, join);
  const rpc = createRpcClient({ port, clock });
  const finder = createWorkerFinder({ role: 'prediction', ...options }, { port, rpc, clock, random });
  return { clock, network, port, finder, workers, free, join };
}

describe('finding a worker', () => {
  it('takes the first to answer and keeps it for the term', async () => {
    const { clock, finder, workers } = setUp(5);
    await clock.advance(0);
    const first = await finder.run(async (peer) => peer);
    expect(workers).toContain(first);
    for (let job = 0; job < 20; job += 1) expect(await finder.run(async (peer) => peer)).toBe(first);
    const seen = new Set<PeerId>();
    for (let term = 0; term < 20; term += 1) {
      await clock.advance(defaultWorkerSearch.termMs);
      seen.add(await finder.run(async (peer) => peer));
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  it('passes over the busy, who stay silent', async () => {
    const { clock, finder, workers, free } = setUp(3);
    await clock.advance(0);
    for (const worker of workers.slice(1)) free.set(worker, false);
    expect(await finder.run(async (peer) => peer)).toBe(workers[0]);
  });

  it('asks a silent net again and drops nothing meanwhile', async () => {
    const { clock, finder, workers, free } = setUp(2);
    await clock.advance(0);
    for (const worker of workers) free.set(worker, false);
    const done: PeerId[] = [];
    const jobs = Array.from({ length: 50 }, () => finder.run(async (peer) => done.push(peer)));
    await clock.advance(60_000);
    expect(done).toEqual([]);
    free.set(workers[1] as PeerId, true);
    await clock.advance(defaultWorkerSearch.backOffLastMs + defaultWorkerSearch.questionMs);
    await Promise.all(jobs);
    expect(done).toEqual(jobs.map(() => workers[1]));
  });

  it('finds a worker that joins a net without any, at once', async () => {
    const { clock, finder, join } = setUp(0);
    const job = finder.run(async (peer) => peer);
    await clock.advance(20_000);
    const worker = join();
    await clock.advance(10);
    expect(await job).toBe(worker);
  });

  it('gives a failed job to another worker', async () => {
    const { clock, finder } = setUp(2);
    await clock.advance(0);
    const tried: PeerId[] = [];
    const job = finder.run(async (peer) => {
      tried.push(peer);
      if (tried.length === 1) throw new PeerUnreachableError(peer);
      return 'done';
    });
    await clock.advance(2_000);
    expect(await job).toBe('done');
    expect(new Set(tried).size).toBe(2);
  });

  it('tries the only worker again with growing pauses', async () => {
    const { clock, finder } = setUp(1);
    await clock.advance(0);
    const tries: number[] = [];
    const job = finder.run(async (peer) => {
      tries.push(clock.monotonicMs());
      if (tries.length < 8) throw new PeerUnreachableError(peer);
    });
    await clock.advance(120_000);
    await job;
    const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(pauses[0]).toBeLessThanOrEqual(defaultWorkerSearch.backOffFirstMs + 1);
    expect(pauses.at(-1)).toBeGreaterThanOrEqual(defaultWorkerSearch.backOffLastMs / 2);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(defaultWorkerSearch.backOffLastMs);
  });

  it('goes on with another when the worker is killed in the middle', async () => {
    const { clock, network, finder } = setUp(2);
    await clock.advance(0);
    const tried: PeerId[] = [];
    const gone = Promise.withResolvers<never>();
    const job = finder.run(async (peer) => {
      tried.push(peer);
      return tried.length === 1 ? gone.promise : 'done';
    });
    await clock.advance(10);
    network.kill(tried[0] as PeerId);
    gone.reject(new PeerUnreachableError(tried[0] as PeerId));
    await clock.advance(5_000);
    expect(await job).toBe('done');
  });

  it('never gives a job to an excluded peer', async () => {
    const { clock, finder, workers } = setUp(3);
    await clock.advance(0);
    const exclude = workers.slice(0, 2);
    expect(await finder.run(async (peer) => peer, { exclude })).toBe(workers[2]);
  });

  it('throws what would fail everywhere, the signal’s reason, and busy past its limit', async () => {
    const { clock, finder } = setUp(1, { jobsMax: 1 });
    await clock.advance(0);
    const bad = new BadRequestError('no');
    await expect(finder.run(() => Promise.reject(bad))).rejects.toBe(bad);
    const controller = new AbortController();
    const waiting = finder.run(() => new Promise(() => {}), { signal: controller.signal });
    await expect(finder.run(async () => 1)).rejects.toMatchObject({ code: 'busy' });
    const reason = new Condition('enough', 'enough');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    const last = finder.run(() => new Promise(() => {}));
    finder[Symbol.dispose]();
    await expect(last).rejects.toMatchObject({ code: 'network-stopped' });
  });

  it('asks the directory when the roster knows nobody, and trusts no stranger it names', async () => {
    const { clock, network, port } = setUp(0);
    const random = createSeededRandom(1);
    const [friend, stranger] = [0, 1].map(() => {
      const peer = network.join({ roles: [] });
      offerWork(peer, 'storage', () => true);
      peer.provide(roleKey('storage'));
      return peer.self;
    });
    const blind: NetworkPort = {
      self: port.self,
      frameBytesMax: port.frameBytesMax,
      dial: (...all) => port.dial(...all),
      serve: (...all) => port.serve(...all),
      publish: (...all) => port.publish(...all),
      subscribe: (...all) => port.subscribe(...all),
      provide: (key) => port.provide(key),
      withdraw: (key) => port.withdraw(key),
      lookUp: (...all) => port.lookUp(...all),
      livePeers: () => [],
      onRosterChange: (handler) => port.onRosterChange(handler),
      report: (...all) => port.report(...all),
      isTrusted: (peer) => peer !== stranger,
    };
    const rpc = createRpcClient({ port: blind, clock });
    const finder = createWorkerFinder({ role: 'storage', termMs: 1 }, { port: blind, rpc, clock, random });
    for (let job = 0; job < 10; job += 1) {
      expect(await finder.run(async (peer) => peer)).toBe(friend);
      await clock.advance(1);
    }
  });
});

describe('the search for a worker', () => {
  const peers = Array.from({ length: 30 }, (_, index) => `peer ${index}` as PeerId);

  it('asks at most eight at once, and none that has just failed', () => {
    fc.assert(
      fc.property(fc.nat(), fc.subarray(peers), (seed, failed) => {
        const search = new WorkerSearch(defaultWorkerSearch, createSeededRandom(seed));
        for (const peer of failed) search.failed(peer, 0);
        const step = search.next(peers, 1);
        if (step.do === 'ask') {
          expect(step.peers.length).toBeLessThanOrEqual(defaultWorkerSearch.askedMax);
          for (const peer of step.peers) expect(failed).not.toContain(peer);
        } else expect(failed).toHaveLength(peers.length);
      }),
    );
  });

  it('pauses longer and longer, at most the last back-off', () => {
    const search = new WorkerSearch(defaultWorkerSearch, createSeededRandom(1));
    for (let round = 0; round < 60; round += 1) {
      const most = Math.min(defaultWorkerSearch.backOffLastMs, defaultWorkerSearch.backOffFirstMs * 2 ** round);
      const pause = search.silent();
      expect(pause).toBeLessThanOrEqual(most);
      expect(pause).toBeGreaterThanOrEqual(most / 2);
    }
  });

  it('forgets the failures of the longest ago when there are too many', () => {
    const search = new WorkerSearch(defaultWorkerSearch, createSeededRandom(1));
    const many = Array.from({ length: failedPeersMax + 1 }, (_, index) => `failed ${index}` as PeerId);
    for (const peer of many) search.failed(peer, 0);
    expect(search.next(many, 1)).toEqual({ do: 'ask', peers: [many[0]] });
  });
});
