import { createSystemRandom } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { namespacesAbsence, Wires } from './namespaces.ts';

const everywhere = ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'];
const random = createSystemRandom();
const minutes = 120_000;

describe.skipIf(namespacesAbsence() !== null)('machines joined by a bridge and nothing else', () => {
  it(
    'find each other by multicast and exchange events, also who only listens',
    async () => {
      await using wires = new Wires(random);
      const machines = [wires.machine(), wires.machine(), wires.machine()];
      wires.join(machines, 7);
      const [one, two, three] = await Promise.all([
        wires.start(machines[0] as string, 'announce', everywhere),
        wires.start(machines[1] as string, 'announce', everywhere),
        wires.start(machines[2] as string, 'listen', []),
      ]);
      await Promise.all([one, two, three].map((peer) => peer.heard(({ kind }) => kind === 'subscriber')));
      one.publish('from one');
      three.publish('from three');
      await two.heard(({ text }) => text === 'from one');
      await three.heard(({ text }) => text === 'from one');
      await one.heard(({ text }) => text === 'from three');
      await two.heard(({ text }) => text === 'from three');
      const connected = one.lines.concat(two.lines).filter(({ kind }) => kind === 'connected');
      for (const { address } of connected)
        expect(address).toMatch(/^\/ip4\/198\.18\.7\.|^\/ip6zone\/eth\d\/ip6\/fe80:/);
    },
    minutes,
  );

  it(
    'do so over link-local addresses of IPv6 alone',
    async () => {
      await using wires = new Wires(random);
      const machines = [wires.machine(), wires.machine()];
      wires.join(machines, null);
      const [one, two] = await Promise.all([
        wires.start(machines[0] as string, 'announce', ['/ip6/::/tcp/0']),
        wires.start(machines[1] as string, 'announce', ['/ip6/::/tcp/0']),
      ]);
      await two.heard(({ kind }) => kind === 'subscriber');
      one.publish('hello');
      await two.heard(({ text }) => text === 'hello');
      const { address } = await two.heard(({ kind }) => kind === 'connected');
      expect(address).toMatch(/^\/ip6zone\/eth\d\/ip6\/fe80:/);
    },
    minutes,
  );

  it(
    'that also are on another network carry events between the two, for peers that cannot reach each other',
    async () => {
      await using wires = new Wires(random);
      const [ward, gateway, office] = [wires.machine(), wires.machine(), wires.machine()];
      wires.join([ward, gateway], 7);
      wires.join([gateway, office], 8);
      const [one, two, three] = await Promise.all([
        wires.start(ward, 'announce', ['/ip4/0.0.0.0/tcp/0']),
        wires.start(gateway, 'announce', ['/ip4/0.0.0.0/tcp/0']),
        wires.start(office, 'announce', ['/ip4/0.0.0.0/tcp/0']),
      ]);
      const { peer: between } = await two.heard(({ kind }) => kind === 'ready');
      for (const peer of [one, three]) {
        await peer.heard((line) => line.kind === 'subscriber' && line.peer === between);
      }
      for (const peer of [one, three]) await two.heard((line) => line.kind === 'subscriber' && line.peer === peer.id);
      one.publish('from the ward');
      three.publish('from the office');
      await three.heard(({ text }) => text === 'from the ward');
      await one.heard(({ text }) => text === 'from the office');
      await two.heard(({ text }) => text === 'from the ward');
      for (const peer of [one, three]) {
        expect(new Set(peer.lines.filter(({ kind }) => kind === 'connected').map((line) => line.peer))).toEqual(
          new Set([between]),
        );
      }
    },
    minutes,
  );

  it(
    'ignore hellos that are forged, repeated from elsewhere, of other sites, or no hellos',
    async () => {
      await using wires = new Wires(random);
      const machines = [wires.machine(), wires.machine(), wires.machine()];
      wires.join(machines, 7);
      const [one, two] = await Promise.all([
        wires.start(machines[0] as string, 'announce', ['/ip4/0.0.0.0/tcp/0']),
        wires.start(machines[1] as string, 'listen', []),
      ]);
      const stranger = await wires.start(machines[2] as string, 'spoof', []);
      await two.heard((line) => line.kind === 'subscriber' && line.peer === one.id);
      // It repeats what it hears, as it is and changed, and listens where that would lead.
      await stranger.heard(({ kind, count }) => kind === 'repeated' && (count ?? 0) >= 20);
      one.publish('still here');
      await two.heard(({ text }) => text === 'still here');
      expect(stranger.lines.some(({ kind }) => kind === 'connected')).toBe(false);
    },
    minutes,
  );
});
