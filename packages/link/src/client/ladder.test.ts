import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TransportName } from '../carrier.ts';
import { Ladder } from './ladder.ts';
import { LadderNetwork, type Network } from './ladder-network.ts';
import type { LadderMemo } from './ladder-types.ts';

const all: readonly TransportName[] = ['grpc', 'websocket', 'websocket-h2', 'stream', 'sse', 'long-poll', 'short-poll'];
const passes = { provenMs: 10 };
const everything: Network = Object.fromEntries(all.map((name) => [name, passes]));
const refused = { failsMs: 5 };
const noHttp2: Network = { ...everything, grpc: refused, 'websocket-h2': refused };

function play(
  network: Network,
  options: { memo?: LadderMemo; transports?: readonly TransportName[]; seed?: number } = {},
) {
  const clock = new VirtualClock();
  const { memo, transports = all, seed = 1 } = options;
  const ladder = new Ladder(
    { transports, ...(memo === undefined ? {} : { memo }) },
    { random: createSeededRandom(seed) },
  );
  const model = new LadderNetwork(ladder, network, clock);
  model.start();
  return { clock, ladder, model };
}

/** Each box of the firewall matrix as the ladder sees it: when it must be up at the latest, on what in the end. */
const boxes: readonly { name: string; network: Network; upMs: number; ends: TransportName }[] = [
  { name: 'passes', network: everything, upMs: 15, ends: 'grpc' },
  { name: 'strips Upgrade', network: { ...noHttp2, websocket: refused }, upMs: 60, ends: 'stream' },
  { name: 'answers 403 to it', network: { ...noHttp2, websocket: { failsMs: 20 } }, upMs: 60, ends: 'stream' },
  { name: 'swallows after it', network: { ...noHttp2, websocket: { provenMs: null } }, upMs: 75, ends: 'stream' },
  {
    name: 'buffers responses',
    network: { ...noHttp2, websocket: refused, stream: { provenMs: null }, sse: { provenMs: null } },
    upMs: 75,
    ends: 'long-poll',
  },
  {
    name: 'cuts requests after 150 ms',
    network: {
      ...noHttp2,
      websocket: { provenMs: 10, lifetimeMs: 150 },
      stream: { provenMs: 10, lifetimeMs: 150 },
      sse: { provenMs: 10, lifetimeMs: 150 },
    },
    upMs: 30,
    ends: 'long-poll',
  },
  { name: 'speaks only HTTP/1.1', network: noHttp2, upMs: 30, ends: 'websocket' },
  {
    name: 'lets nothing wait',
    network: { 'short-poll': passes, 'long-poll': refused, ...{ grpc: refused, websocket: refused, stream: refused } },
    upMs: 500,
    ends: 'short-poll',
  },
];

describe('the ladder', () => {
  it.each(boxes)('is up in a box that $name, and ends on the best that holds', async ({ network, upMs, ends }) => {
    const { clock, model } = play(network);
    await clock.advance(upMs);
    expect(model.used).not.toBeNull();
    await clock.advance(120_000);
    expect(model.used).toBe(ends);
    expect(model.lines).toBeLessThanOrEqual(3);
  });

  it('is up on a slow line on what is proven first, and moves to the better one that comes later', async () => {
    const { clock, model } = play({ ...everything, grpc: { provenMs: 400 }, websocket: { provenMs: 300 } });
    await clock.advance(100);
    expect(model.used).toBe('long-poll');
    await clock.advance(1_000);
    expect(model.used).toBe('grpc');
    await clock.advance(1_000); // those that were left are there for a moment
    expect(model.lines).toBe(1);
  });

  it('does not move up to one that is proven and then silent', async () => {
    const { clock, model } = play({ 'long-poll': passes, websocket: { provenMs: 100, silentAfterMs: 0 } });
    await clock.advance(60_000);
    expect(model.count('use websocket')).toBe(0);
    expect(model.used).toBe('long-poll');
  });

  it('tries what failed again after 1 s, 5 s, 30 s and then every 5 minutes, give or take a fifth', async () => {
    const { clock, model } = play(
      { 'long-poll': passes, websocket: refused },
      { transports: ['websocket', 'long-poll'] },
    );
    await clock.advance(40 * 60_000);
    const tries = model.log.filter(({ what }) => what === 'open websocket').map(({ atMs }) => atMs);
    const gaps = tries.slice(1).map((atMs, index) => atMs - (tries[index] as number));
    for (const [index, expected] of [1_000, 5_000, 30_000, 300_000, 300_000].entries()) {
      expect(gaps[index]).toBeGreaterThanOrEqual(expected * 0.8);
      expect(gaps[index]).toBeLessThanOrEqual(expected * 1.2 + 10);
    }
    expect(tries.length).toBeLessThan(16);
  });

  it('starts with what worked here last time, and lets the others follow', async () => {
    const memo: LadderMemo = { winner: 'long-poll', heartbeatMs: {}, lifetimeMs: {} };
    const { clock, model } = play(everything, { memo });
    await clock.advance(1);
    expect(model.log.map(({ what }) => what)).toEqual(['open long-poll']);
    await clock.advance(1_000);
    expect(model.firstMs('open grpc')).toBe(150);
    expect(model.used).toBe('grpc');
  });

  it('goes on with another one at once when the one in use breaks', async () => {
    const { clock, model } = play({ ...noHttp2, websocket: { provenMs: 10, lifetimeMs: 10_000 } });
    await clock.advance(10_060);
    expect(model.firstMs('cut websocket')).toBe(10_000);
    expect(model.used).not.toBeNull();
  });

  it('leaves one that has gone silent within a heartbeat and three seconds', async () => {
    const { clock, model } = play({ ...noHttp2, websocket: { provenMs: 10, silentAfterMs: 1_000 } });
    await clock.advance(25_000 + 3_000 + 200);
    expect(model.used).not.toBe('websocket');
    expect(model.used).not.toBeNull();
  });

  it('looks every second while something is not acknowledged', async () => {
    const { clock, model, ladder } = play({ ...noHttp2, websocket: { provenMs: 10, silentAfterMs: 1_000 } });
    ladder.setBusy(true);
    await clock.advance(1_000 + 1_000 + 3_000 + 1_200);
    expect(model.firstMs('use stream')).toBeLessThan(6_200);
  });

  it('measures the round trip anew every ten seconds where there is traffic, and does not disturb an idle connection for it', async () => {
    const probesWithin = async (hasTraffic: boolean) => {
      const { clock, ladder } = play({ 'long-poll': passes }, { transports: ['long-poll'] });
      let probes = 0;
      for (let second = 0; second < 60; second += 1) {
        await clock.advance(1_000);
        if (hasTraffic) ladder.heard(1, clock.monotonicMs());
        const commands = ladder.tick(clock.monotonicMs());
        for (const command of commands.filter(({ kind }) => kind === 'probe')) {
          probes += 1;
          ladder.probed('attempt' in command ? command.attempt : 0, 10, clock.monotonicMs());
        }
      }
      return probes;
    };
    expect(await probesWithin(true)).toBeGreaterThanOrEqual(4);
    expect(await probesWithin(false)).toBeLessThanOrEqual(2);
  });

  it('learns how long an idle connection survives, and keeps it alive', async () => {
    const { clock, model, ladder } = play(
      { websocket: { provenMs: 10, idleMs: 8_000 } },
      { transports: ['websocket'] },
    );
    await clock.advance(60_000);
    const cutsSoFar = model.count('cut websocket');
    expect(cutsSoFar).toBeGreaterThan(0);
    await clock.advance(600_000);
    expect(model.count('cut websocket')).toBe(cutsSoFar);
    expect(ladder.memo.heartbeatMs.websocket).toBeLessThan(8_000);
    expect(ladder.memo.heartbeatMs.websocket).toBeGreaterThanOrEqual(2_000);
  });

  it.each([10_000, 60_000])('has the next one ready before a box cuts at %i ms, once it knows', async (lifetimeMs) => {
    const { clock, model, ladder } = play({ websocket: { provenMs: 10, lifetimeMs } }, { transports: ['websocket'] });
    await clock.advance(4 * lifetimeMs);
    expect(ladder.memo.lifetimeMs.websocket).toBeCloseTo(lifetimeMs, -3);
    const cutsSoFar = model.count('cut websocket');
    await clock.advance(20 * lifetimeMs);
    expect(model.count('cut websocket')).toBe(cutsSoFar);
    expect(model.count('use websocket')).toBeGreaterThan(20);
    expect(model.lines).toBeLessThanOrEqual(2);
  });

  it('tells when a whole round came to nothing, and goes on with growing pauses', async () => {
    const network: Network = Object.fromEntries(all.map((name) => [name, refused]));
    const { clock, model, ladder } = play(network);
    await clock.advance(100);
    expect(model.count('exhausted')).toBe(1);
    expect(ladder.failures.map(({ transport }) => transport)).toEqual(all);
    await clock.advance(3_600_000);
    expect(model.count('exhausted')).toBeGreaterThan(50);
    expect(model.count('exhausted')).toBeLessThan(300);
    model.network = everything;
    await clock.advance(60_000);
    expect(model.used).toBe('grpc');
  });

  it('moves where the operator wants it, stays, and chooses again when told', async () => {
    const { clock, model } = play(everything);
    await clock.advance(10_000);
    expect(model.used).toBe('grpc');
    model.pin('long-poll');
    await clock.advance(100);
    expect(model.used).toBe('long-poll');
    await clock.advance(600_000);
    expect(model.used).toBe('long-poll');
    model.pin(null);
    await clock.advance(1_000);
    expect(model.used).toBe('grpc');
  });

  it('never holds more than a few carriers, whatever the network does, and is up whenever something passes', async () => {
    const behaviour = fc.oneof(
      fc.constant(undefined),
      fc.record({ failsMs: fc.integer({ min: 0, max: 500 }) }),
      fc.record({ provenMs: fc.integer({ min: 1, max: 400 }), lifetimeMs: fc.integer({ min: 50, max: 30_000 }) }),
      fc.record({ provenMs: fc.integer({ min: 1, max: 400 }), idleMs: fc.integer({ min: 500, max: 60_000 }) }),
      fc.record({ provenMs: fc.integer({ min: 1, max: 400 }), silentAfterMs: fc.integer({ min: 0, max: 60_000 }) }),
    );
    const networks = fc.array(fc.tuple(fc.constantFrom(...all), behaviour), { maxLength: 7 });
    await fc.assert(
      fc.asyncProperty(networks, fc.integer(), async (entries, seed) => {
        const scripted = Object.fromEntries(entries.filter(([, one]) => one !== undefined)) as Network;
        const { clock, model } = play({ ...scripted, 'short-poll': { provenMs: 50 } }, { seed });
        await clock.advance(1_000);
        let ups = 0;
        for (let turn = 0; turn < 60; turn += 1) {
          await clock.advance(1_000);
          expect(model.lines).toBeLessThanOrEqual(2 * all.length);
          if (model.used !== null) ups += 1;
        }
        expect(ups).toBeGreaterThan(40);
      }),
      { numRuns: 40 },
    );
  });
});
