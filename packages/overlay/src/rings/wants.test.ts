import type { PeerId } from '@pulsemesh/wire';
import { expect, it } from 'vitest';
import { Wants, wantsLimits } from './wants.ts';

const bytes = new Uint8Array(32);
const ask = (peer: string, topicKey: string) => ({ peer: peer as PeerId, topicKey, route: bytes, id: bytes });

it('events invented in one topic keep nobody from asking for those of another', () => {
  const wants = new Wants();
  const liars = wantsLimits.wantsMax / wantsLimits.wantsPerPeerMax;
  for (let liar = 0; liar < liars; liar += 1) {
    for (let event = 0; event < wantsLimits.wantsPerPeerMax; event += 1) {
      expect(wants.announce(`${liar}/${event}`, ask(`liar ${liar}`, 'weather'), 0)).toBe(true);
    }
  }
  expect(wants.announce('one more', ask('another', 'weather'), 1)).toBe('full');
  for (let event = 0; event < 100; event += 1) {
    expect(wants.announce(`ours ${event}`, ask('colleague', 'ward 3'), 1)).toBe(true);
  }
  expect(wants.arrived('ours 0')).toBe('colleague');
  expect(wants.arrived('0/0')).toBeUndefined(); // gave way
  expect(wants.arrived(`${liars - 1}/${wantsLimits.wantsPerPeerMax - 1}`)).toBe(`liar ${liars - 1}`);
});
