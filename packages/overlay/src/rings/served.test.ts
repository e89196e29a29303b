import type { PeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { Served, servedLimits } from './served.ts';

const peer = (number: number) => `peer-${number}` as PeerId;
const nowMs = 1.8e12;

describe('what is given in answer to questions', () => {
  it('is the same event to the same peer twice, then not before the window is over', () => {
    const served = new Served();
    const takes = (at: number, to = peer(1)) => served.take(to, 'one', 100, at);
    expect([takes(nowMs), takes(nowMs), takes(nowMs + 1), takes(nowMs, peer(2))]).toEqual([true, true, false, true]);
    expect(takes(nowMs + servedLimits.windowMs)).toBe(true);
  });

  it('is bounded for one peer', () => {
    const served = new Served();
    const bytes = servedLimits.bytesMax / 4;
    const taken = Array.from({ length: 6 }, (_, event) => served.take(peer(1), `${event}`, bytes, nowMs));
    expect(taken).toEqual([true, true, true, true, false, false]);
    expect(served.take(peer(2), '1', bytes, nowMs)).toBe(true);
  });

  it('is bounded for all peers together: peers, events and bytes', () => {
    const all = (count: number, bytes: number, events: number) => {
      const served = new Served();
      let taken = 0;
      for (let number = 0; number < count; number += 1) {
        for (let event = 0; event < events; event += 1) {
          if (served.take(peer(number), `${event}`, bytes, nowMs)) taken += 1;
        }
      }
      return taken;
    };
    expect(all(servedLimits.peersMax + 5, 1, 1)).toBe(servedLimits.peersMax);
    expect(all(servedLimits.peersMax, 1, 20)).toBe(servedLimits.allEventsMax);
    expect(all(servedLimits.peersMax, servedLimits.bytesMax, 1)).toBe(servedLimits.allBytesMax / servedLimits.bytesMax);
  });
});
