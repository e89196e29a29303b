import type { WindowView } from '@pulsemesh/node/api';
import { describe, expect, it } from 'vitest';
import { peerOf } from '../testing.ts';
import { drawGapMs, FrameScheduler } from './frame-scheduler.ts';
import { connectionsOf, PeerLayout, wideMap } from './peer-layout.ts';
import { roleLook } from './role-look.ts';
import { scoreBand, summariseBands } from './score-band.ts';

const shown = (change: Parameters<typeof peerOf>[0]) => ({ ...peerOf(change), goneSinceMs: null });

describe('the frame scheduler', () => {
  it('draws each chart once per frame, not faster than its gap, and nothing that was taken back', () => {
    const asked: ((timeMs: number) => void)[] = [];
    const frame = (timeMs: number) => asked.splice(0).forEach((callback) => void callback(timeMs));
    const scheduler = new FrameScheduler({ requestFrame: (callback) => asked.push(callback) });
    const drawn: string[] = [];
    const a = () => void drawn.push('a');
    const b = () => void drawn.push('b');
    scheduler.request(a);
    scheduler.request(a);
    scheduler.request(b);
    scheduler.cancel(b);
    expect(asked).toHaveLength(1);
    frame(0);
    expect(drawn).toEqual(['a']);
    scheduler.request(b);
    frame(drawGapMs - 1);
    expect(drawn).toEqual(['a']);
    frame(drawGapMs);
    expect(drawn).toEqual(['a', 'b']);
    expect(asked).toHaveLength(0);
  });
});

describe('bands of scores', () => {
  const window = (score: number | null, isUsable = true): WindowView => ({
    subject: '',
    startMs: 0,
    readingCount: 0,
    missingSeconds: 0,
    isUsable,
    score,
  });

  it('say what the model said, and never judge a window that cannot be', () => {
    expect([window(0), window(0.399), window(0.4), window(0.8), window(1)].map(scoreBand)).toEqual([
      ...['regular', 'regular', 'unsure', 'irregular', 'irregular'],
    ]);
    expect(scoreBand(window(null))).toBe('pending');
    expect(scoreBand(window(0.9, false))).toBe('unusable');
  });

  it('are counted in words', () => {
    expect(summariseBands([window(0), window(0.1), window(0.9), window(null, false)])).toBe(
      '2 regular, 1 irregular, 1 not usable',
    );
    expect(summariseBands([])).toBe('no windows yet');
  });
});

describe('the map of peers', () => {
  const peers = [
    shown({ peerId: 'a', connections: ['b', 'c', 'nobody', 'a'] }),
    shown({ peerId: 'b', connections: ['a'] }),
    shown({ peerId: 'c', isAlive: false, connections: ['a'] }),
  ];

  it('draws a connection once, and none to a peer that is gone or unknown', () => {
    expect(connectionsOf(peers)).toEqual([{ a: 'a', b: 'b' }]);
  });

  it('places peers apart and inside, the same each time, and keeps them when another comes', () => {
    const place = () => {
      const layout = new PeerLayout();
      expect(layout.update(peers, connectionsOf(peers))).toBe('first');
      layout.settle();
      return layout;
    };
    const layout = place();
    const before = peers.map((peer) => layout.place(peer.peerId));
    expect(peers.map((peer) => place().place(peer.peerId))).toEqual(before);
    for (const { x, y } of before) {
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(wideMap.width);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(wideMap.height);
    }
    expect(layout.update(peers, connectionsOf(peers))).toBe('same');
    expect(layout.update([...peers, shown({ peerId: 'd' })], [])).toBe('changed');
    expect(layout.place('a')).toEqual(before[0]);
  });

  it('tells each role by a shape of its own', () => {
    const roles = ['bootstrap', 'ingest', 'storage', 'aggregation', 'prediction', 'notification', 'gateway'];
    expect(new Set(roles.map((role) => roleLook([role]).path)).size).toBe(roles.length);
    expect(roleLook(['storage', 'prediction']).name).toBe('storage, prediction');
    expect(roleLook([]).name).toBe('no role');
  });
});
