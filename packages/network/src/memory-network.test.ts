import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { createMemoryNetwork } from './memory-network.ts';
import type { ProtocolName } from './port.ts';

const protocol: ProtocolName = '/pulsemesh/test/1';

describe('the memory network', () => {
  it('lets a killed peer be noticed after the given delay, and its channels break at once', async () => {
    const clock = new VirtualClock();
    const network = createMemoryNetwork({ clock, random: createSeededRandom(1), noticeMs: 1500 });
    const one = network.join({ roles: ['ingest'] });
    const other = network.join({ roles: ['storage'] });
    await clock.advance(0);
    other.serve(protocol, async () => new Promise(() => {}));
    const channel = await one.dial(other.self, protocol);
    network.kill(other.self);
    await expect(channel.receive()).rejects.toMatchObject({ code: 'channel-closed' });
    await clock.advance(1499);
    expect(one.livePeers('storage')).toHaveLength(1);
    await clock.advance(1);
    expect(one.livePeers('storage')).toEqual([]);
  });

  it('cuts groups off from each other until healed', async () => {
    const clock = new VirtualClock();
    const network = createMemoryNetwork({ clock, random: createSeededRandom(1) });
    const [a, b, c] = [0, 1, 2].map(() => network.join({ roles: ['storage'] }));
    if (a === undefined || b === undefined || c === undefined) throw new Error('three peers joined');
    for (const peer of [a, b, c]) peer.serve(protocol, async () => {});
    network.partition([[a.self, b.self], [c.self]]);
    await clock.advance(2000);
    expect(a.livePeers().map((peer) => peer.id)).toEqual([a.self, b.self].sort());
    await expect(a.dial(c.self, protocol)).rejects.toMatchObject({ code: 'peer-unreachable' });
    await a.dial(b.self, protocol);
    network.heal();
    await clock.advance(0);
    expect(a.livePeers()).toHaveLength(3);
    await a.dial(c.self, protocol);
  });

  it('keeps frames in order under any latency, loses messages at the given rate, and repeats with its seed', async () => {
    const run = async (seed: number) => {
      const clock = new VirtualClock();
      const random = createSeededRandom(seed);
      const network = createMemoryNetwork({ clock, random, lossRate: 0.5, latencyMs: () => random.float() * 50 });
      const one = network.join({ roles: [] });
      const other = network.join({ roles: [] });
      const trace: string[] = [];
      other.subscribe('t', (data) => trace.push(`p${data[0]}@${clock.monotonicMs().toFixed(3)}`));
      other.serve(protocol, async (channel) => {
        for (let frame = await channel.receive(); frame !== null; frame = await channel.receive())
          trace.push(`f${frame[0]}`);
      });
      const dialling = one.dial(other.self, protocol);
      await clock.advance(100);
      const channel = await dialling;
      for (let each = 0; each < 40; each += 1) {
        await channel.send(Uint8Array.of(each));
        await one.publish('t', Uint8Array.of(each));
      }
      await clock.advance(1000);
      return trace;
    };
    const trace = await run(7);
    expect(trace.filter((entry) => entry.startsWith('f'))).toEqual(Array.from({ length: 40 }, (_, each) => `f${each}`));
    const heard = trace.filter((entry) => entry.startsWith('p')).length;
    expect(heard).toBeGreaterThan(8);
    expect(heard).toBeLessThan(32);
    expect(await run(7)).toEqual(trace);
    expect(await run(8)).not.toEqual(trace);
  });

  it('breaks channels at the given rate', async () => {
    const clock = new VirtualClock();
    const network = createMemoryNetwork({ clock, random: createSeededRandom(1), breakRate: 1 });
    const one = network.join({ roles: [] });
    const other = network.join({ roles: [] });
    other.serve(protocol, async (channel) => void (await channel.receive()));
    const channel = await one.dial(other.self, protocol);
    await channel.send(Uint8Array.of(1));
    await expect(channel.receive()).rejects.toMatchObject({ code: 'channel-closed' });
  });
});
